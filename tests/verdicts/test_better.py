"""What a column's name tells of which way is better: known words, word by word, and nothing where they disagree."""

import pytest

from alexctl.verdicts.better import guess_direction

HIGHER = """
accuracy acc test_acc testAcc val/accuracy Accuracy@1 acc1 test_top1 top-1 top-5 top_1 TOP1 top-1-acc F1 eval_F1-score
AUC valAUC ROC_AUC mAP mAP50 map IoU mIoU BLEU reward episode_return return score R2 metrics.recall
"""
LOWER = """
error err test_error top1_error top-5_err loss val.loss train/loss log_loss RMSE mse MAE WER ppl perplexity seconds
train/seconds trainSeconds seconds_per_epoch train_time latency_ms epochs_to_target
"""
UNKNOWN = """
value x y step error_score neg_mean_squared_error neg_log_loss one_minus_acc 1-acc time_to_accuracy acc_std accuracy_gap
error_reduction acc_rank images_per_sec images/s imagesPerSec epochs_per_hour steps_per_second faccture scoreboard
mapping laptop1 timeout lossless erroneous
"""


@pytest.mark.parametrize(("names", "higher"), [(HIGHER, True), (LOWER, False), (UNKNOWN, None)])
def test_a_name_tells_which_way_is_better_only_with_one_voice(names, higher):
    assert {name: guess_direction(name) for name in names.split()} == dict.fromkeys(names.split(), higher)
