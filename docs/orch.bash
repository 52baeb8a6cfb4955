# Completion for bash. Verbs and options come from orch's own help, so that there is nothing to keep in step.
_orch() {
    local word=${COMP_WORDS[COMP_CWORD]} help i
    local -a given=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -* ]] || given+=("${COMP_WORDS[i]}")
    done
    help=$(orch "${given[@]}" --help 2>/dev/null) || return
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -oE -- '^  (-., )?--[a-z-]+' <<<"$help" | grep -oE -- '--[a-z-]+')" -- "$word")
    elif [[ ${#given[@]} -eq 0 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -oE '^  [a-z-]+' <<<"$help" | sort -u)" -- "$word")
    elif [[ $help == "usage: orch ${given[0]} VERB"* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -oE "^  ${given[0]} [a-z]+" <<<"$help" | cut -d' ' -f4)" -- "$word")
    fi
}
complete -o default -F _orch orch
