export type Shell = "bash" | "zsh" | "fish";

/*
 * Each script passes the words before the cursor to `gantry __complete`, and shows its answer. So a saved script also
 * completes the commands and flags of later versions.
 */

const bash = `# bash completion for gantry. Load it with: source <(gantry completion bash)
_gantry_paths() {
  local path
  compopt -o filenames 2>/dev/null
  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$1" -- "$2")
}
_gantry() {
  local line=\${COMP_LINE:0:COMP_POINT} current prefix="" breaks word
  local -a words masked
  # COMP_WORDS is of no use here: bash splits it at : and =, which names of images contain.
  read -a words <<<"$line"
  [[ $line == *[[:space:]] && $line != *\\\\[[:space:]] ]] && words+=("")
  current=\${words[\${#words[@]} - 1]}
  # bash replaces only what follows the last : or = without a backslash.
  breaks=\${COMP_WORDBREAKS//[^:=]/}
  read -a masked <<<"\${line//\\\\[:=]/_}"
  prefix=\${masked[\${#words[@]} - 1]-}
  if [[ -n $breaks && $prefix == *[$breaks]* ]]; then
    prefix=\${prefix%"\${prefix##*[$breaks]}"}
    prefix=\${current:0:\${#prefix}}
  else
    prefix=""
  fi
  COMPREPLY=()
  while IFS=$'\\t' read -r word _; do
    case $word in
      :directories) _gantry_paths -d "\${current#"$prefix"}" ;;
      :files) _gantry_paths -f "\${current#"$prefix"}" ;;
      *)
        word=\${word#"$prefix"}
        # bash inserts the word as it is, and a name may hold $(...) or a space.
        [[ -n $word ]] && printf -v word %q "$word"
        COMPREPLY+=("$word")
        ;;
    esac
  done < <(gantry __complete "\${words[@]:1}" 2>/dev/null)
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _gantry gantry
`;

const zsh = `#compdef gantry
# zsh completion for gantry. Load it with: source <(gantry completion zsh)
# or save it as _gantry in a directory of $fpath.
_gantry() {
  local line word meaning
  local -a open closed
  for line in "\${(@f)$(gantry __complete "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :directories) compset -P '--*='; _path_files -/; return ;;
      :files) compset -P '--*='; _path_files; return ;;
      *)
        word=\${line%%$'\\t'*}
        meaning=\${line#"$word"}
        meaning=\${meaning#$'\\t'}
        # _describe takes a backslash and a colon as its own.
        word=\${word//\\\\/\\\\\\\\}
        word="\${word//:/\\\\:}\${meaning:+:$meaning}"
        if [[ $line == *[:=] || $line == *[:=]$'\\t'* ]]; then open+=("$word"); else closed+=("$word"); fi
        ;;
    esac
  done
  (( $#open )) && _describe gantry open -S ''
  (( $#closed )) && _describe gantry closed
}
if [[ $funcstack[1] == _gantry ]]; then _gantry "$@"; else compdef _gantry gantry; fi
`;

const fish = `# fish completion for gantry. Load it with: gantry completion fish | source
function __gantry_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # \`--store=DIR\`: the flag stays before each path.
    set -l flag (string match -r '^--[^=]*=' -- "$current"; or echo '')
    set -l value (string replace -- "$flag" '' "$current")
    for line in (gantry __complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':directories'
                printf '%s\\n' $flag(__fish_complete_directories $value)
            case ':files'
                printf '%s\\n' $flag(__fish_complete_path $value)
            case '*'
                echo $line
        end
    end
end
complete -c gantry -f -a '(__gantry_complete)'
`;

/** The completion script of each shell. */
export const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };
