"""One run of img2dataset, in its own environment: `python img2dataset_run.py URLS.txt OUT AUTHORITY.pem`."""

import json
import sys
from pathlib import Path

from img2dataset import download

if __name__ == "__main__":
    urls, out, _ = sys.argv[1:]
    download(
        url_list=urls,
        output_folder=out,
        output_format="webdataset",
        image_size=256,
        resize_mode="keep_ratio",
        resize_only_if_bigger=True,
        encode_quality=90,
        processes_count=1,
        thread_count=32,
        number_sample_per_shard=1000,
        enable_wandb=False,
    )
    print(sum(json.loads(path.read_text())["successes"] for path in Path(out).glob("*_stats.json")))
