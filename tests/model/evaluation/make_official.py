"""Makes official.json: cases, and what the official evaluations say to them, which are run here and not kept.

    python -m tests.model.evaluation.make_official FOLDER

`FOLDER` holds, as their packages and repositories have them: `vqa_metric.py` (open_flamingo 2.0.1, open_flamingo/eval),
`vqa_eval.py` (salesforce-lavis 1.0.2, lavis/common/vqa_tools: the file of GT-Vision-Lab/VQA, which normalises what was
said, and takes annotations for normal, as the published ones are), `compute_score.py` (antoine77340/RareAct),
`visdial_metrics.py` (batra-mlp-lab/visdial-challenge-starter-pytorch, visdialch/metrics.py), `nextqa_metrics.py`
(doc-doc/NExT-OE, metrics.py; over nltk with WordNet 3.0, words split at spaces, as there is no tagger of nltk's here).
scikit-learn gives the areas under the ROC curve.
"""

import contextlib
import importlib.util
import io
import json
import os
import random
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np

WORDS = (
    "a an the The none zero one two Ten dont don't couldnt've couldn'tve somebody'd somebodyd ive Im i'm shed hes twas "
    "ow's'at cat Cat cats dog it's its can't cant 1,000 2.5 3.50 1,5 $5 50% red/blue red-blue mr. u.s.a. (left) [x] "
    '{y} what? yes! yes, no; a_b a+b c=d <b> @home `q` "say" back\\slash x:y & 10:30 . .. , - café naïve 日本 yes no '
    "wouldn't y'all yall'll where's i'm i've she'd ma'am somebody'll what've"
).split(" ")
SPACES = (" ", " ", " ", " ", "  ", "\t", "\n", " ,", ", ", "-", "/")


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def phrase(rng: random.Random) -> str:
    text = rng.choice(WORDS)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        text += rng.choice(SPACES) + rng.choice(WORDS)
    return rng.choice(("", "", " ")) + text + rng.choice(("", "", ".", " ", "\n"))


def vqa(module: Any, rng: random.Random, normal: bool) -> list[dict[str, Any]]:
    """With `normal`, annotations are as those that were published: they come out of the normalisation unchanged."""
    cases = []
    for number in range(200):
        few = [phrase(rng) for _ in range(rng.choice((1, 2, 3, 4)))]
        if normal:
            tool = module.VQAEval(None, Table({}))
            few = [tool.processDigitArticle(tool.processPunctuation(text)) for text in few]
        answers = [rng.choice(few) for _ in range(10)]
        one = rng.choice(answers)
        said = rng.choice((one, one.lower(), one.strip(" .?!"), one.replace("'", ""), one + "." * 40, phrase(rng)))
        cases.append({"id": number, "said": said, "answers": answers})
    good = {
        case["id"]: {
            "answers": [{"answer": answer, "answer_id": n} for n, answer in enumerate(case["answers"])],
            "question_type": "",
            "answer_type": "",
        }
        for case in cases
    }
    judge = module.VQAEval(Table(good), Table({case["id"]: {"answer": case["said"]} for case in cases}), n=6)
    judge.params = {"question_id": list(good)}
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
    return [
        {"said": case["said"], "answers": case["answers"], "score": judge.evalQA[case["id"]] / 100} for case in cases
    ]


class Table:
    """What the evaluations of VQA ask of their reader of annotations."""

    def __init__(self, qa: dict[int, Any]) -> None:
        self.qa = qa

    def getQuesIds(self) -> list[int]:
        return list(self.qa)


def visdial(module: Any, rng: np.random.Generator) -> list[dict[str, Any]]:
    import torch

    cases = []
    for number in range(20):
        likelihoods = rng.normal(size=100).round(1 if number < 5 else 6)
        relevance = rng.choice([0.0, 0.0, 0.0, 0.2, 0.4, 0.5, 1.0], 100)
        if number < 5:
            likelihoods += np.arange(100) * 1e-4  # torch sorts equals in any order
        judge = module.NDCG()
        judge.observe(torch.tensor(np.stack([likelihoods] * 2)), torch.tensor(np.stack([relevance] * 2)))
        cases.append(
            {"likelihoods": likelihoods.tolist(), "relevance": relevance.tolist(), "score": judge.retrieve()["ndcg"]}
        )
    return cases


def rareact(script: Path, rng: np.random.Generator, folder: Path) -> dict[str, Any]:
    actions = [(verb, noun) for verb in ("cut", "wash", "dry") for noun in ("laptop", "egg", "phone")]
    lines = ["id,video_id,start,end,class_id,verb,noun,annotation"]
    for number in range(160):
        action, start = int(rng.integers(len(actions) - 1)), int(rng.integers(50))
        verb, noun = actions[action]
        kind = int(rng.choice([0, 0, 1, 1, 2, 3, 4]))
        lines.append(f"{number},video{int(rng.integers(25))},{start},{start + 2},{action},{verb},{noun},{kind}")
    predictions = rng.normal(size=(160, len(actions))).round(1)  # with ties
    (folder / "rareact.csv").write_text("\n".join(lines) + "\n")
    np.save(folder / "predictions.npy", predictions)
    said, here = io.StringIO(), os.getcwd()
    sys.argv = [str(script), "predictions.npy"]
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(str(script))
    finally:
        os.chdir(here)
    return {"csv": lines, "predictions": predictions.tolist(), "score": float(said.getvalue().split()[-1])}


def roc_auc(rng: np.random.Generator) -> list[dict[str, Any]]:
    from sklearn.metrics import roc_auc_score

    cases = []
    for size in (4, 30, 200):
        margins = rng.normal(size=size).round(1)
        positive = rng.random(size) < 0.4
        positive[:2] = True, False
        cases.append(
            {
                "margins": margins.tolist(),
                "positive": positive.tolist(),
                "score": float(roc_auc_score(positive, margins)),
            }
        )
    return cases


def nextqa(module: Any, rng: random.Random) -> dict[str, Any]:
    """How near words are, and the scores of answers made of them, as lemmas without stop words."""
    module.word_tokenize = str.split
    words = "dog cat puppy baby child run walk sit sofa chair ball red blue happy quickly xyzzy two grass".split()
    near = {f"{one} {other}": module.wup(one, other, 0) for one in words for other in words}
    cases = []
    for _ in range(60):
        said, good = ([rng.choice(words) for _ in range(rng.choice((0, 1, 2, 3)))] for _ in range(2))
        cases.append({"said": said, "good": good, "score": module.get_wups(" ".join(said), " ".join(good), 0)})
    return {"near": near, "cases": cases}


def main(folder: Path) -> None:
    rng = np.random.default_rng(0)
    found = {
        "vqa": vqa(load(folder / "vqa_metric.py"), random.Random(0), normal=False),
        "vqa_normal": vqa(load(folder / "vqa_eval.py"), random.Random(1), normal=True),
        "visdial": visdial(load(folder / "visdial_metrics.py"), rng),
        "rareact": rareact(folder / "compute_score.py", rng, folder),
        "roc_auc": roc_auc(rng),
        "nextqa": nextqa(load(folder / "nextqa_metrics.py"), random.Random(0)),
    }
    Path(__file__).with_name("official.json").write_text(json.dumps(found, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
