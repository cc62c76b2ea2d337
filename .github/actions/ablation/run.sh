#!/usr/bin/env bash
# Runs $ABLATION with $ARGUMENTS, reports it to GitHub, and exits as $GATE asks. Results are in $ALEXCTL_RESULTS.
set -euo pipefail

# Words of a workflow file, split at blanks; what a shell would expand (* or $x) stays as it is written.
read -r -a arguments <<<"$ARGUMENTS"
read -r -a gate <<<"$GATE"

alexctl ablate "$ABLATION" ${arguments[@]+"${arguments[@]}"}

junit="$ALEXCTL_RESULTS/junit.xml"
alexctl report --format junit ${gate[@]+"${gate[@]}"} >"$junit" 2>/dev/null || true # the gate is asked for last
echo "junit=$junit" >>"$GITHUB_OUTPUT"
alexctl report --format github ${gate[@]+"${gate[@]}"}
