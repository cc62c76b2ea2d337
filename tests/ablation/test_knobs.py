"""Settings, their identity, and what a fault says."""

import pytest

from alexctl.ablation.knobs import Target, TrainingKnobs
from alexctl.ablation.setting import NETS, NUMERICS, Setting, hash_of, resolve

FULL = {"data": "cifar10", "net": "convnet4", "lr": 0.01}


def make(**changes) -> Setting:
    training, net, faults = resolve({**FULL, **changes})
    assert faults == []
    return Setting(training=training, net=net, data_name="cifar10", data_digest="0123456789abcdef")


def faults_of(**changes) -> list[str]:
    return [str(fault) for fault in resolve({**FULL, **changes})[2]]


def test_defaults_may_not_change_without_a_new_numerics():
    """Knobs at their default are left out of the hash, so another default would pass old results off as new ones."""
    assert NUMERICS == 3
    required = {"data", "net", "lr"}
    defaults = {name: field.default for name, field in TrainingKnobs.model_fields.items() if name not in required}
    assert defaults == {
        "momentum": 0.9, "weight_decay": 0.0, "batch_size": 128, "epochs": 60, "num_train": None, "target": None,
        "lr_drops": (), "crop": None, "flips": False, "colour_noise": 0.0, "test_views": 1,
        "epochs_after_target": None, "rows_per_epoch": 4, "evaluate_every": 1, "train_error_from": "minibatches",
        "precision": "float32", "image_size": 32, "random_crops": True, "seed_offset": 0, "bias_drops": True,
        "held_out": 0.0, "order": "shuffled", "first_layer_drops": (), "first_layer_until": None, "colour_noise_until": None,
        "optimizer": "sgd", "lr_schedule": "steps", "warmup_epochs": 0.0,
        "pad_crop": 0, "cutout": None, "mixup": 0.0, "label_smoothing": 0.0,
    }  # fmt: skip
    alexnet = {
        "towers": 2, "kernels": "whole", "links": (3, 6, 7, 8), "norm": "lrn", "norm_layers": "both",
        "norm_place": "after-relu", "lrn_alpha": "printed", "pooling": "3/2", "dropout": 0.5, "without": None,
        "init": "paper", "biases": 1, "activation": "relu", "input_scaling": "mean-image", "bias_rate": 1.0,
        "spatial_norm": False, "fc_units": "same", "pool": "max", "width": 1.0,
    }  # fmt: skip
    start = {"init": "2012", "input_scaling": "mean-image", "bias_rate": 2.0}
    of_convnet4 = {"width": 1.0, "kernel": 5, "pool": "mixed", "dropout": 0.0}
    of_nets = {net: {name: field.default for name, field in knobs.model_fields.items()} for net, knobs in NETS.items()}
    assert of_nets == {
        "convnet4": start | {"activation": "relu", "norm": "none", "hidden": None, "fc_std": 0.01, "fc_cost": 3.0} | of_convnet4,
        "convlocal": start | {"activation": "relu", "norm": "none", "local3_maps": 32, "fc_cost": 0.004},
        "lenet5": {"form": "1998", "activation": "scaled-tanh", "init": "1998"},
        "alexnet": alexnet,
        "alexnet32": alexnet,
        "resnet": {"depth": 20, "skip": True, "activation": "relu", "norm": "batch", "init": "fan-in",
                   "input_scaling": "standardised", "bias_rate": 1.0, "width": 1.0},
    }  # fmt: skip
    assert Target(at_most=0.25).metric == "train_error"


def test_ten_views_need_crops():
    assert faults_of(test_views=10) == [
        "test_views: needs crops; give their side too, such as crop = 24"
    ]  # fmt: skip
    assert faults_of(test_views=10, crop=24) == []
    assert faults_of(test_views=10, crop="x") == ['crop: should be a whole number, not "x"']
    assert faults_of(random_crops=False) == ["random_crops: needs crops; give their side too, such as crop = 24"]


def test_drops_belong_to_a_schedule_of_steps():
    """So a base may name them although an arm has a cosine; that arm is the same with and without them."""
    assert make(lr_drops=[3], lr_schedule="cosine").hash8 == make(lr_schedule="cosine").hash8
    assert make(lr_drops=[3]).training.lr_drops == (3,)


def test_padding_is_cropped_at_random():
    assert faults_of(crop=24, random_crops=False, pad_crop=2) == [
        "pad_crop: needs random crops; leave random_crops = false out, or pad_crop"
    ]
    assert faults_of(crop=24, pad_crop=2) == []


def test_a_warm_up_ends_before_the_training_does():
    assert faults_of(epochs=5, warmup_epochs=5) == [
        "warmup_epochs: should be below epochs = 5, not 5; 0 is no warm-up"
    ]  # fmt: skip
    assert faults_of(epochs=5, warmup_epochs=4.5) == []


def test_weight_decay_is_a_number_or_that_of_the_file():
    assert make(weight_decay=0).hash8 == make().hash8
    for given, shown in ((1, "1"), (-0.1, "-0.1"), (True, "true"), ("fil", '"fil"')):
        assert faults_of(weight_decay=given) == [
            f'weight_decay: should be a number, 0 or more and below 1, or "file", not {shown}'
        ]


def test_a_list_left_at_its_default_is_not_in_the_hash():
    table = make().flat()
    assert table["lr_drops"] == []  # as JSON has it
    del table["lr_drops"]
    assert hash_of(table) == make().hash8


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "3bd12b50"),
        ({"activation": "tanh", "init": "fan-in"}, "082a5cc3"),
        ({"lr": 0.0005, "target": {"at_most": 0.25}, "epochs_after_target": 0.5}, "4b60b394"),
        ({"lr": 1, "num_train": 1000, "epochs": 2, "weight_decay": 0.0005}, "58f0520c"),
    ],
)
def test_golden_hashes(changes, expected):
    """Folders made by an earlier alexctl must be found again."""
    assert make(**changes).hash8 == expected


def test_the_hash_leaves_out_defaults_and_nothing_else():
    base = make().hash8
    assert make(epochs=60, activation="relu", momentum=0.9).hash8 == base
    for change in (
        {"lr": 0.02}, {"epochs": 61}, {"momentum": 0.8}, {"weight_decay": 0.1}, {"batch_size": 127}, {"num_train": 5},
        {"target": {"at_most": 0.2}}, {"epochs_after_target": 0.0}, {"rows_per_epoch": 1}, {"evaluate_every": 0},
        {"lr_drops": [3]}, {"crop": 24}, {"flips": True}, {"colour_noise": 0.1}, {"weight_decay": "file"},
        {"crop": 24, "test_views": 10}, {"seed_offset": 1000}, {"train_error_from": "pass"}, {"activation": "tanh"}, {"init": "fan-in"},
        {"input_scaling": "standardised"}, {"bias_rate": 1.0}, {"bias_drops": False}, {"first_layer_drops": [3]}, {"first_layer_until": 3}, {"colour_noise_until": 3},
        {"optimizer": "adam"}, {"optimizer": "nesterov"}, {"lr_schedule": "cosine"}, {"warmup_epochs": 1.0},
        {"pad_crop": 4}, {"cutout": 8}, {"mixup": 0.2}, {"label_smoothing": 0.1},
    ):  # fmt: skip
        assert make(**change).hash8 != base, change
    table = make().flat()
    assert hash_of({**table, "numerics": 1}) != base
    assert hash_of({**table, "data_digest": "f" * 16}) != base
    assert hash_of({**table, "data": "other"}) != base
    # A knob that comes later, at its default then, leaves the old hash as it is: the old table simply lacks it.
    assert hash_of({key: value for key, value in table.items() if key != "precision"}) == base


def test_a_folder_s_path_is_not_part_of_the_identity():
    assert make(data="imagefolder:/a/b").flat() == make(data="imagefolder:/c").flat()


@pytest.mark.parametrize("name", ["cifar10", "shapes", "cifar10-jpeg"])
def test_flat_and_back(name):
    setting = make(lr=0.0005, target={"metric": "test_error", "at_most": 0.25}, activation="tanh")
    setting = setting.model_copy(update={"data_name": name})
    back = Setting.from_flat(setting.flat())
    assert back.flat() == setting.flat()
    assert back.hash8 == setting.hash8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": "fast"}, 'lr: should be a number, not "fast"'),
        ({"epoch": 3}, "epoch: unknown key, did you mean 'epochs'?"),
        ({"data_digest": None}, "data_digest or numerics is missing"),
        ({"numerics": True}, "data_digest or numerics is missing"),
    ],
)
def test_from_flat_refuses(change, words):
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        Setting.from_flat({**make().flat(), **change})


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"data": "cifar"}, "data: unknown data set 'cifar', did you mean 'cifar10'? choose from: cifar10, mnist, shapes, shapes-grey or imagefolder:PATH"),
        ({"data": "imagefolder:"}, "data: 'imagefolder:' names no folder; write imagefolder:PATH, with train/CLASS/*.jpg in it"),
        ({"data": "./pets"}, "data: a folder of images is written imagefolder:PATH, so try imagefolder:./pets"),
        ({"data": "CIFAR-10"}, "data: unknown data set 'CIFAR-10', did you mean 'cifar10'? choose from: "
         "cifar10, mnist, shapes, shapes-grey or imagefolder:PATH"),
        ({"net": "convnet"}, "net: unknown net 'convnet', did you mean 'convnet4'?"),
        ({"net": "19pct"}, "net: unknown net '19pct'; here cuda-convnet's 19pct is net = \"convnet4\""),
        ({"net": "layers-conv-local-11pct.cfg"},
         "net: unknown net 'layers-conv-local-11pct.cfg'; here cuda-convnet's conv-local-11pct is "
         'net = "convlocal", norm = "cross-map", local3_maps = 64, fc_cost = 0.01'),
        ({"net": 4}, "net: should be text in quotes, not 4"),
        ({"activation": "rleu"}, "activation: 'rleu' is not allowed, did you mean 'relu'?"),
        ({"activation": 3}, "activation: should be 'relu', 'tanh', 'gelu', 'silu', 'leaky-relu', 'elu' or 'sigmoid', not 3"),
        ({"momentm": 0.9}, "momentm: unknown key, did you mean 'momentum'?"),
        ({"lr": True}, "lr: should be a number, not true"),
        ({"lr": 0}, "lr: should be above 0, not 0"),
        ({"lr": float("inf")}, "lr: should be a finite number, not inf"),
        ({"lr": float("nan")}, "lr: should be a finite number, not nan"),
        ({"epochs": 2.5}, "epochs: should be a whole number, not 2.5"),
        ({"epochs": True}, "epochs: should be a whole number, not true"),
        ({"epochs": 0}, "epochs: should be 1 or more, not 0"),
        ({"target": {"at_most": 25}}, "target: at_most: should be below 1, not 25"),
        ({"target": {"at_most": 0.25, "metrc": "x"}}, "target: metrc: unknown key, did you mean 'metric'?"),
        ({"target": {}}, "target: at_most: missing"),
        ({"init": "20\x1b[31m12"}, "init: '20\\x1b[31m12' is not allowed, did you mean '2012'?"),
    ],
)  # fmt: skip
def test_a_fault_says_what_and_what_would_do(changes, line):
    assert faults_of(**changes) == [line]


def test_all_faults_at_once():
    assert len(faults_of(lr="x", epochs=0, activation="relo", colour=1)) == 4


@pytest.mark.parametrize(
    ("table", "today"),
    [
        ({"net": "convnet4", "init": "fan-in"}, ("standardised", 1.0, True, 3.0)),
        ({"net": "convnet4"}, ("mean-image", 2.0, False, 3.0)),
        ({"net": "convnet4", "norm": "batch", "fc_cost": None}, ("mean-image", 2.0, False, 1.0)),
        ({"net": "convnet4", "hidden": 64}, ("mean-image", 2.0, False, 0.03)),
        ({"net": "convnet4", "fc_cost": 0.5}, ("mean-image", 2.0, False, 0.5)),
        ({"net": "convlocal", "local3_maps": 64}, ("mean-image", 2.0, False, 0.01)),
        ({"net": "alexnet32", "init": "code"}, ("mean-image", 2.0, False, None)),
        ({"net": "alexnet32"}, ("mean-image", 1.0, True, None)),
    ],
)
def test_a_setting_of_the_first_numerics_says_in_today_s_knobs_what_ran(table, today):
    """Then `init` was three knobs, the schedule left biases alone that had a rate of their own, and fc_cost moved."""
    flat = Setting.from_flat({"data": "cifar10", "lr": 0.1, "data_digest": "0" * 16, "numerics": 1, **table}).flat()
    assert tuple(flat.get(key) for key in ("input_scaling", "bias_rate", "bias_drops", "fc_cost")) == today


def test_folders_of_the_first_numerics_are_found_by_the_defaults_of_then():
    table = {"data": "cifar10", "net": "convnet4", "lr": 0.01, "data_digest": "0123456789abcdef", "numerics": 1}
    assert hash_of({**table, "fc_cost": None, "init": "2012"}) == hash_of(table) == "c814c34e"
