//! Configuration commands, read from their words.
//!
//! # Design
//! One table, [`COMMANDS`], holds each command's word, its usage, and how its arguments become a
//! [`Command`]. Nothing here looks at a configuration.

use super::error::ConfigError;
use super::keys::nearest;

/// What to do when the object is already as asked: there, or gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tolerance {
    /// Refuse.
    Strict,
    /// Accept (`--may-exist`, `--if-exists`).
    Lenient,
}

/// The object of `set`, `get` and `clear`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// The switch.
    Switch,
    /// A bridge, by name.
    Bridge(String),
    /// A port, by name.
    Port(String),
}

/// A `K=V`, split.
pub type Pair = (String, String);

/// A configuration command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verb {
    /// `add-br BR [K=V…]`
    AddBr(String, Vec<Pair>),
    /// `del-br BR`
    DelBr(String),
    /// `list-br`
    ListBr,
    /// `br-exists BR`
    BrExists(String),
    /// `add-port BR PORT [K=V…]`
    AddPort(String, String, Vec<Pair>),
    /// `del-port [BR] PORT`
    DelPort(Option<String>, String),
    /// `add-mirror BR NAME [K=V…]`
    AddMirror(String, String, Vec<Pair>),
    /// `del-mirror BR NAME`
    DelMirror(String, String),
    /// `list-ports BR`
    ListPorts(String),
    /// `port-to-br PORT`
    PortToBr(String),
    /// `set OBJECT K=V…`
    Set(Target, Vec<Pair>),
    /// `get OBJECT [K]`
    Get(Target, Option<String>),
    /// `clear OBJECT K…`
    Clear(Target, Vec<String>),
}

/// A command with its word and its tolerance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// As typed.
    pub word: &'static str,
    /// What to do.
    pub verb: Verb,
    /// What to do when there is nothing to do.
    pub tolerance: Tolerance,
}

struct Spec {
    word: &'static str,
    arguments: &'static str,
    option: Option<&'static str>,
    build: fn(&[String]) -> Option<Result<Verb, String>>,
}

/// Every command. A `build` gives `None` when the number of arguments is wrong.
const COMMANDS: &[Spec] = &[
    Spec {
        word: "add-br",
        arguments: "BR [KEY=VALUE...]",
        option: Some("--may-exist"),
        build: |args| {
            let [br, rest @ ..] = args else { return None };
            Some(pairs(rest).map(|pairs| Verb::AddBr(br.clone(), pairs)))
        },
    },
    Spec {
        word: "del-br",
        arguments: "BR",
        option: Some("--if-exists"),
        build: |args| one(args, Verb::DelBr),
    },
    Spec {
        word: "list-br",
        arguments: "",
        option: None,
        build: |args| args.is_empty().then_some(Ok(Verb::ListBr)),
    },
    Spec {
        word: "br-exists",
        arguments: "BR",
        option: None,
        build: |args| one(args, Verb::BrExists),
    },
    Spec {
        word: "add-port",
        arguments: "BR PORT [KEY=VALUE...]",
        option: Some("--may-exist"),
        build: |args| {
            let [br, port, rest @ ..] = args else { return None };
            Some(pairs(rest).map(|pairs| Verb::AddPort(br.clone(), port.clone(), pairs)))
        },
    },
    Spec {
        word: "del-port",
        arguments: "[BR] PORT",
        option: Some("--if-exists"),
        build: |args| match args {
            [port] => Some(Ok(Verb::DelPort(None, port.clone()))),
            [br, port] => Some(Ok(Verb::DelPort(Some(br.clone()), port.clone()))),
            _ => None,
        },
    },
    Spec {
        word: "add-mirror",
        arguments: "BR NAME [KEY=VALUE...]",
        option: Some("--may-exist"),
        build: |args| {
            let [br, name, rest @ ..] = args else { return None };
            Some(pairs(rest).map(|pairs| Verb::AddMirror(br.clone(), name.clone(), pairs)))
        },
    },
    Spec {
        word: "del-mirror",
        arguments: "BR NAME",
        option: Some("--if-exists"),
        build: |args| match args {
            [br, name] => Some(Ok(Verb::DelMirror(br.clone(), name.clone()))),
            _ => None,
        },
    },
    Spec {
        word: "list-ports",
        arguments: "BR",
        option: None,
        build: |args| one(args, Verb::ListPorts),
    },
    Spec {
        word: "port-to-br",
        arguments: "PORT",
        option: None,
        build: |args| one(args, Verb::PortToBr),
    },
    Spec {
        word: "set",
        arguments: "bridge|port NAME KEY=VALUE..., or switch KEY=VALUE...",
        option: Some("--if-exists"),
        build: |args| {
            on_target(args, |target, rest| {
                (!rest.is_empty()).then(|| pairs(rest).map(|pairs| Verb::Set(target, pairs)))
            })
        },
    },
    Spec {
        word: "get",
        arguments: "bridge|port NAME [KEY], or switch [KEY]",
        option: Some("--if-exists"),
        build: |args| {
            on_target(args, |target, rest| match rest {
                [] => Some(Ok(Verb::Get(target, None))),
                [key] => Some(Ok(Verb::Get(target, Some(key.clone())))),
                _ => None,
            })
        },
    },
    Spec {
        word: "clear",
        arguments: "bridge|port NAME KEY..., or switch KEY...",
        option: Some("--if-exists"),
        build: |args| {
            on_target(args, |target, rest| {
                (!rest.is_empty()).then(|| Ok(Verb::Clear(target, rest.to_vec())))
            })
        },
    },
];

fn one(args: &[String], verb: fn(String) -> Verb) -> Option<Result<Verb, String>> {
    match args {
        [name] => Some(Ok(verb(name.clone()))),
        _ => None,
    }
}

fn on_target(
    args: &[String],
    build: impl Fn(Target, &[String]) -> Option<Result<Verb, String>>,
) -> Option<Result<Verb, String>> {
    let (object, rest) = args.split_first()?;
    match (object.to_ascii_lowercase().as_str(), rest) {
        ("switch", rest) => build(Target::Switch, rest),
        ("bridge", [name, rest @ ..]) => build(Target::Bridge(name.clone()), rest),
        // Users of Open vSwitch set on the interface what is set on the port here.
        ("port" | "interface", [name, rest @ ..]) => build(Target::Port(name.clone()), rest),
        ("bridge" | "port" | "interface", []) => None,
        _ => Some(Err(format!("\"{object}\" is no object (allowed: bridge, port, switch)"))),
    }
}

fn pairs(words: &[String]) -> Result<Vec<Pair>, String> {
    let mut pairs: Vec<Pair> = Vec::new();
    for word in words {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => (key.to_owned(), value.to_owned()),
            _ => return Err(format!("{word:?} is not KEY=VALUE")),
        };
        if pairs.iter().any(|pair| pair.0 == key) {
            return Err(format!("{key} stands twice"));
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// Reads commands separated by `--`.
///
/// # Errors
/// One of them is no command, or has wrong arguments; or there is none.
pub fn parse(words: &[String]) -> Result<Vec<Command>, ConfigError> {
    let commands: Vec<Command> = words
        .split(|word| word == "--")
        .filter(|words| !words.is_empty())
        .map(parse_one)
        .collect::<Result<_, _>>()?;
    if commands.is_empty() {
        let why = format!("none given (allowed: {})", all_words());
        return Err(ConfigError::Usage { command: "command".into(), why });
    }
    Ok(commands)
}

fn all_words() -> String {
    COMMANDS.iter().map(|spec| spec.word).collect::<Vec<_>>().join(", ")
}

fn parse_one(words: &[String]) -> Result<Command, ConfigError> {
    let (options, words): (Vec<_>, Vec<_>) =
        words.iter().cloned().partition(|word| word.starts_with("--"));
    let (word, args) = words.split_first().map_or(("", &[][..]), |(w, args)| (w.as_str(), args));
    let usage = |why: String| ConfigError::Usage { command: shorten(word), why };
    let Some(spec) = COMMANDS.iter().find(|spec| spec.word == word) else {
        return Err(usage(match nearest(word, COMMANDS.iter().map(|spec| spec.word)) {
            Some(near) => format!("unknown command (did you mean {near}?)"),
            None => format!("unknown command (allowed: {})", all_words()),
        }));
    };
    if let Some(option) = options.iter().find(|option| Some(option.as_str()) != spec.option) {
        let allowed = spec.option.unwrap_or("none");
        return Err(usage(format!("unknown option {} (allowed: {allowed})", shorten(option))));
    }
    let tolerance = if options.is_empty() { Tolerance::Strict } else { Tolerance::Lenient };
    match (spec.build)(args) {
        Some(Ok(verb)) => Ok(Command { word: spec.word, verb, tolerance }),
        Some(Err(why)) => Err(usage(why)),
        None => Err(usage(format!("wrong arguments (usage: {} {})", spec.word, spec.arguments))),
    }
}

fn shorten(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect()
    }

    fn parsed(line: &str) -> Vec<Command> {
        parse(&words(line)).unwrap()
    }

    fn refused(line: &str) -> String {
        parse(&words(line)).unwrap_err().to_string()
    }

    #[test]
    fn commands_are_split_at_double_dashes() {
        let commands = parsed("-- --may-exist add-br br0 a=b=c -- list-br --");
        assert_eq!(commands.len(), 2);
        assert_eq!(commands[0].verb, Verb::AddBr("br0".into(), vec![("a".into(), "b=c".into())]));
        assert_eq!(commands[0].tolerance, Tolerance::Lenient);
        assert_eq!((&commands[1].verb, commands[1].tolerance), (&Verb::ListBr, Tolerance::Strict));
    }

    #[test]
    fn objects_are_named_in_any_case_and_as_open_vswitch_does() {
        let port = Target::Port("p1".into());
        assert_eq!(parsed("get Interface p1")[0].verb, Verb::Get(port.clone(), None));
        assert_eq!(parsed("get port p1 tag")[0].verb, Verb::Get(port, Some("tag".into())));
        assert_eq!(
            parsed("clear switch poll-cpus")[0].verb,
            Verb::Clear(Target::Switch, vec!["poll-cpus".into()])
        );
    }

    #[test]
    fn what_is_no_command_is_refused_with_a_hint() {
        assert_eq!(refused("add-prt br0 p1"), "add-prt: unknown command (did you mean add-port?)");
        assert_eq!(
            refused("add-port br0"),
            "add-port: wrong arguments (usage: add-port BR PORT [KEY=VALUE...])"
        );
        assert_eq!(refused("add-br br0 x"), "add-br: \"x\" is not KEY=VALUE");
        assert_eq!(refused("set port p1 tag=1 tag=2"), "set: tag stands twice");
        assert_eq!(
            refused("--if-exists add-br br0"),
            "add-br: unknown option --if-exists (allowed: --may-exist)"
        );
        assert_eq!(
            refused("set colour red x=y"),
            "set: \"colour\" is no object (allowed: bridge, port, switch)"
        );
        assert!(refused("").starts_with("command: none given (allowed: add-br, "));
        assert!(refused("-- --").starts_with("command: none given"));
        for line in
            ["del-br", "del-br a b", "list-br x", "set port", "set", "set port p1", "clear switch"]
        {
            assert!(refused(line).contains("wrong arguments"), "{line}");
        }
    }
}
