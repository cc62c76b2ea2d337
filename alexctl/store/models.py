"""What each JSON file of a results folder may hold: types, ranges, lengths. What does not fit is damaged.

Keys that are not named here are let through, since a later alexctl may add some; `files.read_json` bounds those too.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from alexctl.ablation.measures import MEASURES
from alexctl.store import layout

STATES = ("paused", "interrupted", "done", "diverged", "stopped", "failed")  # what status.json may say


def _known(measure: str) -> str:
    if measure not in MEASURES:
        raise ValueError(f"no measure of this alexctl; it has {', '.join(MEASURES)}")
    return measure


Name = Annotated[str, Field(min_length=1, max_length=300)]
DataName = Annotated[str, Field(max_length=300, pattern=r"^[^/\\]*$")]  # part of a path where the images lie
Text = Annotated[str, Field(max_length=20_000)]
Said = Annotated[str, Field(min_length=1, max_length=20_000)]
Measured = Annotated[Name, AfterValidator(_known)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Seconds = Annotated[float, Field(ge=0, le=1e10)]
Share = Annotated[float, Field(ge=0, le=1)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class AnyFile(_Part):
    """What every file has."""

    newest: ClassVar[int] = 1
    schema_: Annotated[int, Field(alias="schema", ge=1)]


class _Setting(_Part):
    net: Name
    data: DataName
    data_digest: Name
    numerics: Count


class SettingFile(AnyFile):
    """What a trial is."""

    ablation: Name
    arm: Name
    phase: Literal["search", "final"]
    seed: Count
    setting: _Setting


class _Kernels(_Part):
    """Of one tower's first kernels, as `statistics.images.colour` counts them."""

    num_kernels: Count
    num_coloured: Count
    colour_share: Share


class StatusFile(AnyFile):
    """How a trial ended. From schema 2 on it holds the digest of the rows, and that of what else is counted if it is there."""

    newest: ClassVar[int] = 2
    state: Literal[STATES]
    error: str | None = None
    num_rows: Count
    epochs_run: Annotated[float, Field(ge=0, le=1e6)]
    rows_digest: Digest | None = None
    num_test: Annotated[int, Field(ge=1, le=10**8)] | None = None
    correct_digest: Digest | None = None
    train_seconds: Seconds | None = None
    eval_seconds: Seconds | None = None
    prepare_seconds: Seconds | None = None
    parameters: Count | None = None
    ranks: Annotated[int, Field(ge=1, le=2)] | None = None  # of a trial that was given two devices
    backend: Name | None = None  # by which two ranks talked
    bytes_per_step: Count | None = None  # that crossed between them
    waiting_share: Annotated[float, Field(ge=0, le=1)] | None = None  # of the seconds of steps, for the other rank
    kernels: Annotated[list[_Kernels], Field(max_length=1000)] | None = None


class TestLabelsFile(AnyFile):
    """The right classes of the test images; `labels` is base64 of a 16-bit number each, the lower byte first."""

    data_digest: Name
    classes: Annotated[list[Annotated[str, Field(max_length=2000)]], Field(min_length=1)]
    labels: str


class EnvFile(AnyFile):
    """What a trial ran on."""

    alexctl: Name | None = None
    python: Name | None = None
    packages: Annotated[dict[Name, Name | None], Field(max_length=100)] = {}
    platform: Name | None = None
    cpu: Name | None = None
    device: Name | None = None
    threads: Annotated[int, Field(ge=1, le=100_000)] | None = None
    devices: Annotated[list[Name], Field(max_length=2)] | None = None  # of a pair, of which `ranks` were used
    ranks: Annotated[int, Field(ge=1, le=2)] | None = None
    backend: Name | None = None  # by which they talked
    precision: Name | None = None
    git_commit: Name | None = None
    git_dirty: bool | None = None


class _Claim(_Part):
    section: Text = ""
    source: Text = ""
    says: Said
    effect: float | dict[Name, float] | None = None
    effect_range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    direction: Name | None = None
    data: Name
    landmarks: Annotated[dict[Name, float], Field(max_length=1000)] = {}


class _Schedule(_Part):
    seeds: Annotated[int, Field(ge=1, le=1000)] = 1
    looks: Annotated[list[Count], Field(max_length=100)] | None = None
    lr_grid: Annotated[list[float], Field(max_length=1000)] | None = None


class _Ablation(_Part):
    name: Name
    title: Said
    control: Name | Annotated[dict[Name, Name], Field(min_length=1, max_length=500)]
    varies: Annotated[list[Name], Field(min_length=1, max_length=100)]
    measure: Measured
    note: Text | None = None
    claim: _Claim
    plan: _Schedule
    base: Annotated[dict[Name, Any], Field(max_length=1000)]
    arms: Annotated[dict[Name, Annotated[dict[Name, Any], Field(max_length=1000)]], Field(min_length=2, max_length=500)]
    data_of_file: Text
    smoke: bool = False


class PlanFile(AnyFile):
    """What a campaign was planned to be; `ablation` is looked at more closely by `plan.read`."""

    numerics: Annotated[int, Field(ge=1, le=10**6)] = 1  # a plan that does not say is of the first
    ablation: _Ablation
    data_name: DataName
    data_digest: Name
    num_classes: Annotated[int, Field(ge=1, le=10**6)]
    git_commit: Name | None = None
    git_dirty: bool | None = None


class _Comparison(_Part):
    arm: Name
    control: Name | None = None
    verdict: Name
    tier: Name | None = None
    words: Said | None = None
    conditions: Said | None = None
    sentence: Said
    scale: Literal["ratio", "points"]
    n: Count
    effect: float | None
    low: float | None
    high: float | None
    level: Share | None = None
    bound: Name | None = None
    claimed: float | None = None
    margin: float | None = None
    p_value: Share | None = None
    seeds: Annotated[list[Count], Field(max_length=1000)]
    values: Annotated[list[float | None], Field(max_length=1000)]

    @model_validator(mode="after")
    def _ratios_are_above_0(self) -> "_Comparison":
        sizes = [self.effect, self.low, self.high, self.claimed, self.margin, *self.values]
        if self.scale == "ratio" and any(size is not None and size <= 0 for size in sizes):
            raise ValueError("a ratio is above 0")
        return self


class _OverImages(_Part):
    arm: Name
    control: Name
    n: Count
    effect: float
    low: float | None
    high: float | None
    level: Share
    sentence: Said


class _Alike(_Part):
    arm: Name
    n: Count
    agreement: Share
    kappa: Annotated[float, Field(ge=-1, le=1)] | None
    ensemble_size: Count | None
    one_error: Share | None
    ensemble_error: Share | None


class _Images(_Part):
    num_images: Count
    comparisons: Annotated[list[_OverImages], Field(max_length=500)]
    arms: Annotated[list[_Alike], Field(max_length=500)]


class VerdictFile(AnyFile):
    """What a campaign's trials say of its claim."""

    ablation: Name
    title: Said
    data: Name
    data_digest: Name
    measure: Measured
    control: Name
    claim: _Claim
    note: Text | None = None
    older: Text | None = None
    rates: Text | None = None
    comparisons: Annotated[list[_Comparison], Field(max_length=500)]
    images: _Images | None = None

    @field_validator("comparisons")
    @classmethod
    def _claimed_ratios_are_above_0(cls, lines: list[_Comparison], info: ValidationInfo) -> list[_Comparison]:
        if (claim := info.data.get("claim")) and any(line.scale == "ratio" for line in lines):
            sizes = claim.effect.values() if isinstance(claim.effect, dict) else [claim.effect]
            if any(size is not None and size <= 0 for size in (*sizes, *(claim.effect_range or ()))):
                raise ValueError("a claimed ratio is above 0")
        return lines


class _Drawn(_Part):
    of: Name
    svg: Name | None
    png: Name | None
    pdf: Name | None = None


class DrawnFromFile(AnyFile):
    """What each figure was drawn from, as digests."""

    __pydantic_extra__: dict[str, _Drawn] = Field(init=False)


class BenchFile(AnyFile):
    """How fast a machine was measured to be."""

    workers: Annotated[int, Field(ge=1, le=100_000)]
    environment: Annotated[dict[Name, Any], Field(max_length=100)]
    medians: Annotated[dict[Name, float], Field(max_length=1000)] = {}
    ratios: Annotated[dict[Name, float], Field(max_length=1000)]


class _Submission(_Part):
    job_id: Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]
    num_jobs: Annotated[int, Field(ge=1, le=10**6)]
    words: Annotated[list[Text], Field(max_length=1000)]
    partition: Name
    minutes: Annotated[int, Field(ge=1, le=10**7)]


class SlurmJobsFile(AnyFile):
    """What was submitted to Slurm."""

    submissions: Annotated[list[_Submission], Field(max_length=10_000)]


MODELS: dict[str, type[AnyFile]] = {
    layout.SETTING: SettingFile, layout.STATUS: StatusFile, layout.ENV: EnvFile, layout.PLAN: PlanFile,
    layout.VERDICT: VerdictFile, layout.DRAWN_FROM: DrawnFromFile, layout.BENCH_JSON: BenchFile,
    layout.TEST_LABELS: TestLabelsFile, layout.SLURM_JOBS: SlurmJobsFile,
}  # fmt: skip
