"""A budget is the file's schedule made shorter, all of it."""

from conftest import tiny_ablation

from alexctl.campaign.parts import at_budget


def test_all_of_a_schedule_is_in_proportion_to_its_budget():
    schedule = {"lr_drops": [25, 51, 79], "first_layer_drops": [67], "first_layer_until": 72, "colour_noise_until": 67}
    ablation = tiny_ablation(epochs=91, **schedule)
    assert at_budget(ablation, "relu", 9) == {
        "epochs": 9, "lr_drops": [2, 5, 8], "first_layer_drops": [7], "first_layer_until": 7, "colour_noise_until": 7,
    }  # fmt: skip
    assert at_budget(ablation, "relu", 91) == {"epochs": 91} | schedule
    assert at_budget(ablation, "relu", 1)["first_layer_until"] == 1
    assert at_budget(ablation, "relu", None) == {}
    assert at_budget(tiny_ablation(epochs=4), "relu", 2) == {"epochs": 2}
    halved = at_budget(tiny_ablation(epochs=10, lr_schedule="cosine", warmup_epochs=1), "relu", 5)
    assert halved == {"epochs": 5, "warmup_epochs": 0.5}
