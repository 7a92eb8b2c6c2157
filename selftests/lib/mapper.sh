# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A process that has the pool mapped. Sourced by lib.sh.

# mapper_start: a process that has /dev/zbud_movable open (see mapper.py), for
# mapper_do; MAPPER_PID.
mapper_start() {
	coproc MAPPER { exec python3 "$TOOLS/mapper.py"; }
	exec {mapper_out}<&"${MAPPER[0]}" {mapper_in}>&"${MAPPER[1]}"
	mapper_answer
}

mapper_answer() {
	local answer=''
	read -r answer <&"$mapper_out" || answer="the mapper is gone"
	[[ $answer != "wrong data"* ]] || wrong_data
	[[ $answer == ok* ]] || { echo "mapper: $answer"; return 1; }
	ANSWER=${answer#ok}
	ANSWER=${ANSWER# }
}

# mapper_do COMMAND...: sets ANSWER.
mapper_do() { echo "$*" >&"$mapper_in" && mapper_answer; }

mapper_stop() {
	echo quit >&"$mapper_in"
	wait "$MAPPER_PID"
	exec {mapper_in}>&- {mapper_out}<&-
}
