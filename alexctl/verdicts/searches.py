"""What a reader should know of the searches behind a verdict: their rates, which would be as good, and what they cost."""

from collections.abc import Sequence

from alexctl import numbers
from alexctl.ablation.toml import key_values
from alexctl.verdicts.evidence import Evidence, Searched


def rates_sentence(evidence: Evidence) -> str | None:
    """In a sentence or two; None where nothing was searched, or a search goes on."""
    searches = evidence.searches
    if not searches or any(search.lr is None for search in searches):
        return None
    trials, epochs = sum(search.trials for search in searches), sum(search.epochs for search in searches)
    cost = f"searched with {numbers.counted(trials, 'trial')}, {epochs:,.0f} epochs in all"
    what = " and ".join(["Learning rates", *evidence.ablation.plan.search])
    if evidence.ablation.plan.studies == 1:
        rates = ", ".join(f"{search.arm} {_rate(search)}" for search in searches)
        return f"{what}: {rates}; {cost}. The interval is conditional on these {'values' if evidence.ablation.plan.search else 'rates'}."
    rates = ", ".join(f"{arm} {_span([s for s in searches if s.arm == arm])}" for arm in evidence.ablation.searched)
    return f"{what}: {rates}, of {evidence.ablation.plan.studies} independent searches; {cost}."


def _rate(search: Searched) -> str:
    others = [f"{rate:g}" for rate in search.ties if rate != search.lr]
    beside = f" with {key_values(dict(search.knobs))}" if search.knobs else ""
    return f"{search.lr:g}" + (f" ({' and '.join(others)} as good)" if others else "") + beside


def _span(searches: Sequence[Searched]) -> str:
    rates = sorted({search.lr for search in searches})
    span = f"{rates[0]:g}" if len(rates) == 1 else f"{rates[0]:g} to {rates[-1]:g}"
    beside = dict.fromkeys(key_values(dict(search.knobs)) for search in searches if search.knobs)
    return span + (f" with {' or '.join(beside)}" if beside else "")
