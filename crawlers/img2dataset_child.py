"""Run by the Python that has img2dataset, which need not have weft: `img2dataset_child.py URLS.parquet OUT THREADS`."""

import ctypes
import signal
import sys

if __name__ == "__main__":
    if sys.platform == "linux":  # whoever started this may be killed: then it must not go on alone
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    from img2dataset import download

    urls, out, threads = sys.argv[1:]
    download(
        url_list=urls,
        input_format="parquet",
        url_col="url",
        output_folder=out,
        output_format="webdataset",
        resize_mode="no",
        disable_all_reencoding=True,  # the bytes as served: weft decodes, behind its guards
        extract_exif=False,
        compute_hash="sha256",
        processes_count=1,
        thread_count=int(threads),
        number_sample_per_shard=100_000,
        enable_wandb=False,
        disallowed_header_directives=["noai", "noimageai", "noindex", "noimageindex", "none"],
    )
