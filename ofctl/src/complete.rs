//! Shell completions: what `clap_complete` makes of the table and, for bash, the names of the
//! running switch's bridges and ports, which no static script can know.

use std::path::Path;

use clap_complete::Shell;

use crate::cli;
use crate::command::{CommandSpec, Family, Need};
use crate::error::Error;
use crate::table::COMMANDS;

/// Writes `ofctl.bash`, `_ofctl` (zsh) and `ofctl.fish` into a folder, made if missing.
///
/// # Errors
///
/// [`Error::Generate`] names the file that could not be written.
pub fn write(dir: &Path) -> Result<(), Error> {
    for (name, text) in [
        ("ofctl.bash", bash()),
        ("_ofctl", of_shell(Shell::Zsh)),
        ("ofctl.fish", of_shell(Shell::Fish)),
    ] {
        write_file(dir, name, &text)?;
    }
    Ok(())
}

/// Writes a generated file into a folder, made if missing.
pub(crate) fn write_file(dir: &Path, name: &str, text: &[u8]) -> Result<(), Error> {
    let path = dir.join(name);
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|source| Error::Generate { path: path.display().to_string(), source })
}

/// The static completion of a shell.
#[must_use]
pub fn of_shell(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::described(), "ofctl", &mut text);
    text
}

/// The completion for bash: names of bridges and ports, else what the static one says.
#[must_use]
pub fn bash() -> Vec<u8> {
    let mut text = of_shell(Shell::Bash);
    let names: Vec<&str> = CommandSpec::of_family(Family::Configuration).map(|c| c.name).collect();
    let script = BASH_NAMES.replace("@CASES@", &cases()).replace("@COMMANDS@", &names.join(" "));
    let script = script.replace("@VALUES@", &value_words());
    text.extend_from_slice(script.as_bytes());
    text
}

/// The words that a value follows: ` | -w | --write`.
fn value_words() -> String {
    let options = COMMANDS.iter().flat_map(|command| command.options);
    let options = options.filter(|option| option.need == Need::Required);
    let words = options.flat_map(|option| {
        let short = option.short.map(|short| format!(" | -{short}"));
        [short, Some(format!(" | --{}", option.long))]
    });
    let words: std::collections::BTreeSet<String> = words.flatten().collect();
    words.into_iter().collect()
}

/// One `case` arm for each argument that names something: `add-port:1) kinds="bridge" ;;`.
fn cases() -> String {
    let mut text = String::new();
    for command in COMMANDS {
        let words: Vec<&str> = command.args.split_whitespace().collect();
        for (i, word) in words.iter().enumerate() {
            let mut found = kinds(word);
            // `[BR] PORT`: the first word may be either.
            if word.starts_with('[')
                && let Some(next) = words.get(i + 1).filter(|next| !next.starts_with('['))
            {
                found.extend(kinds(next));
            }
            if !found.is_empty() {
                let (name, place, found) = (command.name, i + 1, found.join(" "));
                text.push_str(&format!("        {name}:{place}) kinds=\"{found}\" ;;\n"));
            }
        }
    }
    text
}

/// What may stand for a placeholder of usage: things that the switch names, or literal words.
fn kinds(placeholder: &str) -> Vec<&str> {
    match placeholder.trim_matches(['[', ']']) {
        "BR" => vec!["@bridge"],
        "PORT" => vec!["@port"],
        "NAME" | "PORT|BR" => vec!["@bridge", "@port"],
        "COMMAND" => vec!["@command"],
        word if word.starts_with(|c: char| c.is_ascii_lowercase()) => word.split('|').collect(),
        _ => Vec::new(),
    }
}

/// Names are compared, never expanded by the shell: a port may be called `$(reboot)`.
const BASH_NAMES: &str = r#"
# What the running switch has, for the arguments that name it.
_ofctl_ask() {
    "$1" "${ask[@]}" --timeout 1 "${@:2}" 2>/dev/null
}

_ofctl_candidates() {
    local kind bridge
    for kind in $kinds; do
        case $kind in
        @bridge) _ofctl_ask "$1" list-br ;;
        @port)
            while IFS= read -r bridge; do
                _ofctl_ask "$1" list-ports "$bridge"
            done < <(_ofctl_ask "$1" list-br)
            ;;
        @command) printf '%s\n' @COMMANDS@ ;;
        *) printf '%s\n' "$kind" ;;
        esac
    done
}

_ofctl_names() {
    local i word command= place=0 kinds= is_first=1 ask=() name
    local current=${COMP_WORDS[COMP_CWORD]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --) command= place=0 is_first= ;;
        --rundir | --timeout | -t@VALUES@)
            [[ ${COMP_WORDS[i + 1]} == "=" ]] && ((i++))
            ((i++))
            [[ $word == --rundir && $i -lt $COMP_CWORD ]] && ask=(--rundir "${COMP_WORDS[i]}")
            ;;
        -*) ;;
        *) if [[ -z $command ]]; then command=$word; else ((place++)); fi ;;
        esac
    done
    case $command:$((place + 1)) in
        :1) [[ -z $is_first ]] && kinds=@command ;;
@CASES@    esac
    if [[ -z $kinds || $current == -* || $i -gt $COMP_CWORD ]]; then
        _ofctl "$@"
        return
    fi
    COMPREPLY=()
    while IFS= read -r name; do
        [[ $name == "$current"* ]] && COMPREPLY+=("$name")
    done < <(_ofctl_candidates "$1")
    return 0
}
complete -F _ofctl_names -o bashdefault -o default ofctl
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_name_something_have_a_case() {
        let text = cases();
        for line in [
            "        add-port:1) kinds=\"@bridge\" ;;\n",
            "        del-port:1) kinds=\"@bridge @port\" ;;\n",
            "        del-port:2) kinds=\"@port\" ;;\n",
            "        set:1) kinds=\"bridge port switch\" ;;\n",
            "        set:2) kinds=\"@bridge @port",
            "        fdb/show:1) kinds=\"@bridge\" ;;\n",
        ] {
            assert!(text.contains(line), "{line:?} not in\n{text}");
        }
        assert!(!text.contains("KEY"));
    }

    #[test]
    fn every_shell_knows_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = String::from_utf8(of_shell(shell)).unwrap();
            for row in COMMANDS.iter().filter(|row| row.family != Family::Hidden) {
                assert!(text.contains(row.name), "{shell} lacks {}", row.name);
            }
            assert!(!text.contains("generate"), "{shell}");
        }
    }
}
