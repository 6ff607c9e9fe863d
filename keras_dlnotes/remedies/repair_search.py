"""Looks for the remedies that make a run learn."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from keras_dlnotes.diagnosis import Finding
from keras_dlnotes.remedies.candidates import candidates, usual_recipe
from keras_dlnotes.remedies.repair_result import Repair
from keras_dlnotes.remedies.short_runs import WORST, Attempt, ShortRuns

LEAST_GAIN = 0.02  # of skill; less is what the order of the examples makes
# A fault that is this sure is mended where that takes nothing away, even if a short run gains
# nothing by it: another fault may hide the gain.
SURE = 0.85
_LEAST_FALL = 0.01
_NOTHING = "nothing can be changed without you"
_NO_GAIN = "none of its remedies raised the skill of a short run"
_HIDDEN = "it does not show in a short run, whose examples are shuffled"
_STILL = "it is still found with the changes"
_OVER = "the budget was spent"


def search(
    runs: ShortRuns,
    budget: int,
    seeds: int = 3,
    say: Callable[[str], None] = lambda text: None,
    times: int = 1,
    known: Sequence[Finding] = (),
) -> Repair:
    """Applies remedies finding by finding, and keeps those that help.

    1. A short run is diagnosed, and where something is found one as long as the user's. Nothing
       found in one of them: nothing is changed.
    2. Each finding's remedies are tried in a run each, the most likely finding first. One is kept
       if the skill rises by 0.02, or if a sure finding goes away and the skill does not fall. The
       run with it is diagnosed anew.
    3. Where none helps, the first remedies of all findings are tried together, and then the usual
       recipe (Adam, scaled inputs, He and ReLU, batch normalization, batches of 32, longer, wider).
    4. Each remedy that was kept is left out once, and dropped where that takes nothing away.
    5. Runs without and with all that is left are repeated with other seeds. Where the mean gain is
       below 0.02, nothing is changed, unless a sure finding is mended and the skill does not fall.

    Args:
        runs: the short runs.
        budget: train steps that all runs together may take.
        seeds: number of pairs of runs of step 5.
        say: gets a line for each run.
        times: how many times as long as a short run the user's own is.
        known: what was found in the user's own run.

    Returns:
        The `Repair`.
    """
    return _Search(runs, budget, seeds, say, times).result(known)


class _Search:
    def __init__(self, runs, budget, seeds, say, times):
        self._runs, self._seeds, self._say, self._times = runs, seeds, say, times
        self._left = budget
        self._spent = 0
        self._tried: list[dict] = [{}]
        self._why_not: dict[tuple, str] = {}  # by cause and layer, why a finding stands

    def result(self, known):
        before = self._attempt({})
        if before is None:
            return Repair(self._runs, {}, [], [], [(None, _OVER)], 0)
        self._say(f"as it is: skill {before.skill:.2f}")
        if not before.findings:
            standing = [(finding, _HIDDEN) for finding in known]
            if before.problem:
                standing = [(None, before.problem)]
            return Repair(self._runs, {}, list(known), [], standing, self._spent, before.evidence)
        if self._times > 1:
            whole = self._attempt({"epochs": self._times})
            if whole is not None and whole.problem is None and not whole.findings:
                self._say(f"as it is, {self._times} times as long: skill {whole.skill:.2f}")
                return Repair(self._runs, {}, [], [], [], self._spent, whole.evidence)
            if whole is not None and whole.causes & before.causes:
                # What more epochs put right is nothing to repair.
                found = [f for f in before.findings if f.cause in whole.causes]
                before = replace(before, findings=found)
        # What the pairs of the last step cost is set aside first.
        aside = min(2 * self._seeds * self._runs.cost({}), self._left // 2)
        self._left -= aside
        best = self._without_needless(self._improved(before))
        self._left += aside
        pairs = self._pairs(best) if best.settings else []
        if pairs and not _repeats(pairs, before, best):
            for finding in before.findings:
                self._why_not[_key(finding)] = "the gain did not repeat with other seeds"
            best, pairs = before, []
        usual = _STILL if best.settings else _NO_GAIN
        standing = [(finding, self._why_not.get(_key(finding), usual)) for finding in best.findings]
        return Repair(
            self._runs,
            best.settings,
            before.findings,
            pairs,
            standing,
            self._spent,
            best.evidence,
        )

    def _attempt(self, settings, seed=0):
        cost = self._runs.cost(settings)
        if cost > self._left:
            return None
        self._left -= cost
        self._spent += cost
        return self._runs.attempt(settings, seed)

    def _improved(self, current):
        """The best run that remedies of what is found lead to."""
        while current.findings:
            better = self._one_step(current)
            if better is None:
                return current
            current = better
        return current

    def _one_step(self, current):
        """A run with one remedy more that helps, or None."""
        evidence = current.evidence
        if evidence is None:
            return None
        firsts: dict = {}
        for finding in current.findings:
            listed = candidates(finding, evidence)
            if not listed:
                told = f"{_NOTHING}. {finding.remedy}"
                if finding.cause == "error_in_training":
                    told = f"{_NOTHING}: {current.problem}"
                self._why_not[_key(finding)] = told
                continue
            firsts = listed[0] | firsts
            for settings in listed:
                better = self._better(current, settings, finding)
                if better is not None:
                    return better
        # What raises an error is no matter of the usual recipe.
        failed = evidence.went_wrong or current.skill == WORST
        if current.problem is not None or not failed:
            return None
        unknown = Finding("underfitting", "", "", "", 0.0)
        for settings in (firsts, *usual_recipe(evidence)):
            better = self._better(current, settings, unknown)
            if better is not None:
                return better
        return None

    def _better(self, current, settings, finding) -> Attempt | None:
        settings = current.settings | settings
        if settings in self._tried:
            return None
        self._tried.append(settings)
        after = self._attempt(settings)
        if after is None:
            self._why_not.setdefault(_key(finding), _OVER)
            return None
        kept = _helps(current, after, finding)
        new = {name: value for name, value in settings.items() if name not in current.settings}
        what = "; ".join(self._sentences(new or settings))
        outcome = after.problem or f"skill {after.skill:.2f}, {'kept' if kept else 'not kept'}"
        self._say(f"{finding.cause}: {what}: {outcome}")
        if after.problem is not None:
            self._why_not.setdefault(_key(finding), after.problem)
        return after if kept else None

    def _without_needless(self, best):
        for name in list(best.settings):
            if len(best.settings) == 1:
                break
            fewer = {key: value for key, value in best.settings.items() if key != name}
            if fewer in self._tried:
                continue
            self._tried.append(fewer)
            after = self._attempt(fewer)
            if after is None:
                break
            if after.skill >= best.skill - _LEAST_FALL and after.causes <= best.causes:
                self._say(
                    f"without {'; '.join(self._sentences({name: best.settings[name]}))}: "
                    f"skill {after.skill:.2f}, left out"
                )
                best = after
        return best

    def _pairs(self, best):
        pairs = []
        for seed in range(1, self._seeds + 1):
            before, after = self._attempt({}, seed), self._attempt(best.settings, seed)
            if before is None or after is None:
                break
            pairs.append((before.skill, after.skill))
            self._say(f"seed {seed}: skill {pairs[-1][0]:.2f} without, {pairs[-1][1]:.2f} with")
        return pairs

    def _sentences(self, settings):
        return self._runs.sentences(settings)


def _key(finding):
    return finding.cause, finding.layer


def _repeats(pairs, before, best):
    """Whether other seeds gain too, or lose nothing by the mending of what was sure."""
    gain = sum(after - start for start, after in pairs) / len(pairs)
    mended = any(f.confidence >= SURE and f.cause not in best.causes for f in before.findings)
    return gain >= LEAST_GAIN or (mended and gain >= -_LEAST_FALL)


def _helps(before, after, finding):
    if after.problem is not None:
        return False
    if after.skill >= before.skill + LEAST_GAIN:
        return True
    gone = finding.confidence >= SURE and finding.cause not in after.causes
    return gone and after.skill >= before.skill - _LEAST_FALL
