"""Which way of a column is better, as far as its name tells."""

import re

UP = frozenset({
    "acc", "accuracy", "accuracies", "auc", "auroc", "auprc", "ap", "map", "f1", "fscore", "score", "scores", "reward",
    "rewards", "return", "returns", "recall", "bleu", "rouge", "meteor", "iou", "miou", "dice", "r2", "psnr", "ssim",
    "ndcg", "mrr", "mcc", "hits",
})  # fmt: skip
DOWN = frozenset({
    "err", "error", "errors", "loss", "losses", "cost", "regret", "rmse", "mse", "mae", "mape", "nll", "perplexity",
    "ppl", "wer", "cer", "fid", "bpc", "bpb", "epochs", "time", "seconds", "sec", "secs", "minutes", "hours", "ms",
    "runtime", "duration", "latency",
})  # fmt: skip
OTHER = frozenset({  # of what the rest names: its sign turned, its spread, how it moved
    "neg", "negative", "minus", "inverse", "std", "stdev", "stddev", "sd", "se", "sem", "stderr", "var", "variance",
    "gap", "drop", "delta", "diff", "difference", "change", "gain", "reduction", "saved", "improvement", "increase",
    "decrease", "rank",
})  # fmt: skip
RATE = re.compile(  # images/sec, steps_per_second; but train/seconds is a folder and its measure
    r"(/(s|sec|second|min|minute|hr|hour|day)|(?<![a-z])per[^a-z]*(s|ms|secs?|seconds?|mins?|minutes?|hrs?|hours?|days?))(?![a-z])"
)
TOP = re.compile(r"(?<![a-z])top[-_@ ]?\d+")  # top-1: an accuracy, unless it says that it is an error
REST = re.compile(r"(?<![a-z0-9])1 ?[-−–] ?[a-z]")  # 1-acc


def guess_direction(column: str) -> bool | None:
    """Whether higher is better, as the words of a column's name say with one voice; None where they do not."""
    name = re.sub(r"([a-z])([A-Z])", r"\1_\2", column).casefold()
    # mAP and IoU are one word, testAcc two.
    words = {*re.findall(r"[a-z]+\d*", name), *re.findall(r"[a-z]+\d*", column.casefold())}
    words |= {word.rstrip("0123456789") for word in words}  # acc1, mAP50
    if words & OTHER or RATE.search(name) or REST.search(TOP.sub("top", name)):
        return None
    up, down = bool(words & UP), bool(words & DOWN)
    if up == down:
        return True if TOP.search(name) and not up else None
    return up
