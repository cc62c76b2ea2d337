"""Two campaigns on one folder: one works, the others say so in a line; nothing is run twice."""

from chaos import tally
from chaos.harness import FINAL_TRIALS, at_work, finish, one_line, start, wait_for, words, workers_of


def test_the_same_command_twice_at_once_and_once_more(tiny_root, place, completes):
    journal = place / "journal.txt"
    sabotage = {"FAULTS_JOURNAL": str(journal)}
    tally.tried("two campaigns racing on one folder")
    tally.tried("a campaign started while another runs")
    racing = [start(place, *words(tiny_root), sabotage=sabotage) for _ in range(2)]
    campaign = place / "results" / "small"
    began = racing[0].began
    working = [r for r in racing if wait_for(lambda r=r: workers_of(r.process.pid), r)]
    assert len(working) == 1
    assert wait_for(lambda: at_work(campaign, began), working[0])
    late = start(place, *words(tiny_root), sabotage=sabotage)
    ends = {started.process.pid: finish(started) for started in (*racing, late)}
    winner = working[0].process.pid
    assert ends.pop(winner).code == 0
    for loser in ends.values():
        assert loser.code == 2
        assert "another alexctl is running small in results" in one_line(loser)
    begun = [line.split() for line in journal.read_text().splitlines()]
    final = sorted(trial for trial, _ in begun if "-s10000-" not in trial)
    assert len(final) == len(set(final)) == FINAL_TRIALS
    assert {int(parent) for _, parent in begun} == {winner}
    completes(place)
    tally.survived("two campaigns racing on one folder")
    tally.survived("a campaign started while another runs")
