//! Commands applied to a configuration, all or none.
//!
//! # Design
//! [`transact`] is a pure function: it opens nothing and keeps nothing. Rules between objects are
//! checked once, after the last command, so that a transaction may pass through states that break
//! them; the error then names the last command that touched the object.

use std::collections::HashMap;

use super::check;
use super::command::{Command, Pair, Target, Tolerance, Verb};
use super::error::{ConfigError, ObjectRef};
use super::keys::{self, Settings, Shown};
use super::model::{Bridge, Config, Port, PortType};
use super::output::Output;

/// What a transaction would do.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// The configuration afterwards.
    pub config: Config,
    /// What the commands print, in their order.
    pub outputs: Vec<Output>,
}

/// Applies commands to a copy of `config`.
///
/// # Errors
/// The first command that cannot be done, or the first rule that the result would break.
pub fn transact(config: &Config, commands: &[Command]) -> Result<Outcome, ConfigError> {
    let mut run = Run { config: config.clone(), outputs: Vec::new(), touched: HashMap::new() };
    let name_command = |number: usize, source: ConfigError| match commands {
        [_] => source,
        _ => ConfigError::InCommand {
            number: number + 1,
            word: commands.get(number).map_or("", |command| command.word),
            source: Box::new(source),
        },
    };
    for (number, command) in commands.iter().enumerate() {
        run.apply(number, command).map_err(|error| name_command(number, error))?;
    }
    check::check(&run.config).map_err(|error| {
        match error.object().and_then(|object| run.touched.get(object)) {
            Some(number) => name_command(*number, error),
            None => error,
        }
    })?;
    Ok(Outcome { config: run.config, outputs: run.outputs })
}

struct Run {
    config: Config,
    outputs: Vec<Output>,
    /// The last command that touched an object.
    touched: HashMap<ObjectRef, usize>,
}

impl Run {
    fn apply(&mut self, number: usize, command: &Command) -> Result<(), ConfigError> {
        if let Some(object) = touches(&command.verb) {
            self.touched.insert(object, number);
        }
        let tolerance = command.tolerance;
        match &command.verb {
            Verb::AddBr(bridge, pairs) => self.add_br(bridge, pairs, tolerance),
            Verb::DelBr(bridge) => self.del_br(bridge, tolerance),
            Verb::AddPort(bridge, port, pairs) => self.add_port((bridge, port), pairs, tolerance),
            Verb::DelPort(bridge, port) => self.del_port(bridge.as_deref(), port, tolerance),
            Verb::AddMirror(bridge, name, pairs) => {
                self.add_mirror((bridge, name), pairs, tolerance)
            }
            Verb::DelMirror(bridge, name) => self.del_mirror((bridge, name), tolerance),
            Verb::Set(target, pairs) => self.set(target, pairs, tolerance),
            Verb::Clear(target, keys) => self.clear(target, keys, tolerance),
            Verb::Get(target, key) => match self.get(target, key.as_deref()) {
                Err(ConfigError::Missing { .. }) if tolerance == Tolerance::Lenient => Ok(()),
                result => result.map(|output| self.outputs.push(output)),
            },
            Verb::ListBr => {
                self.outputs.push(Output::Names(self.config.bridges.keys().cloned().collect()));
                Ok(())
            }
            Verb::BrExists(bridge) => self.bridge(bridge).map(drop),
            Verb::ListPorts(bridge) => {
                let names =
                    self.bridge(bridge)?.ports.keys().filter(|port| *port != bridge).cloned();
                let names = Output::Names(names.collect());
                self.outputs.push(names);
                Ok(())
            }
            Verb::PortToBr(port) => {
                let bridge = self.port(port)?.0.to_owned();
                self.outputs.push(Output::Value(Some(Shown::word(&bridge))));
                Ok(())
            }
        }
    }

    fn bridge(&self, name: &str) -> Result<&Bridge, ConfigError> {
        self.config.bridges.get(name).ok_or_else(|| missing_bridge(&self.config, name))
    }

    fn bridge_mut(&mut self, name: &str) -> Result<&mut Bridge, ConfigError> {
        if !self.config.bridges.contains_key(name) {
            return Err(missing_bridge(&self.config, name));
        }
        Ok(self.config.bridges.entry(name.to_owned()).or_default())
    }

    fn port(&self, name: &str) -> Result<(&str, &Port), ConfigError> {
        self.config.port(name).ok_or_else(|| missing_port(&self.config, name))
    }

    fn add_br(
        &mut self,
        name: &str,
        pairs: &[Pair],
        tolerance: Tolerance,
    ) -> Result<(), ConfigError> {
        let object = ObjectRef::Bridge(name.to_owned());
        let there = self.config.bridges.contains_key(name);
        if there && tolerance == Tolerance::Strict {
            return Err(ConfigError::Exists { object, place: String::new() });
        }
        if let Some((bridge, _)) = self.config.port(name).filter(|_| !there) {
            let place = format!(" as a port of bridge {bridge}");
            return Err(ConfigError::Exists { object, place });
        }
        let bridge =
            self.config.bridges.entry(name.to_owned()).or_insert_with(|| Bridge::new(name));
        assign_all(&object, &mut bridge.settings, pairs)
    }

    fn del_br(&mut self, name: &str, tolerance: Tolerance) -> Result<(), ConfigError> {
        match self.config.bridges.remove(name) {
            None if tolerance == Tolerance::Strict => Err(missing_bridge(&self.config, name)),
            _ => Ok(()),
        }
    }

    fn add_port(
        &mut self,
        (bridge, name): (&str, &str),
        pairs: &[Pair],
        tolerance: Tolerance,
    ) -> Result<(), ConfigError> {
        let object = ObjectRef::Port(name.to_owned());
        self.bridge(bridge)?;
        let exists = |place| Err(ConfigError::Exists { object: object.clone(), place });
        let holder = self.config.port(name).map(|(holder, _)| holder);
        match holder {
            Some(holder) if holder == name => return exists(" as a bridge".to_owned()),
            Some(holder) if holder != bridge || tolerance == Tolerance::Strict => {
                return exists(format!(" on bridge {holder}"));
            }
            _ => {}
        }
        let port = self.bridge_mut(bridge)?.ports.entry(name.to_owned()).or_default();
        assign_all(&object, &mut port.settings, pairs)
    }

    fn del_port(
        &mut self,
        bridge: Option<&str>,
        name: &str,
        tolerance: Tolerance,
    ) -> Result<(), ConfigError> {
        if let Some(bridge) = bridge {
            self.bridge(bridge)?;
        }
        let Some(holder) = self.config.port(name).map(|(holder, _)| holder.to_owned()) else {
            return match tolerance {
                Tolerance::Strict => Err(missing_port(&self.config, name)),
                Tolerance::Lenient => Ok(()),
            };
        };
        let conflict = |why| Err(ConfigError::conflict(ObjectRef::Port(name.to_owned()), why));
        if bridge.is_some_and(|bridge| bridge != holder) {
            return conflict(format!("belongs to bridge {holder}"));
        }
        if holder == name {
            return conflict(format!(
                "is the own port of bridge {name} (del-br {name} removes both)"
            ));
        }
        self.bridge_mut(&holder)?.ports.remove(name);
        Ok(())
    }

    fn add_mirror(
        &mut self,
        (bridge, name): (&str, &str),
        pairs: &[Pair],
        tolerance: Tolerance,
    ) -> Result<(), ConfigError> {
        let object = ObjectRef::Mirror(name.to_owned());
        check::check_port_name(&object, name, PortType::Null)?;
        let mirrors = &mut self.bridge_mut(bridge)?.mirrors;
        if tolerance == Tolerance::Strict && mirrors.contains_key(name) {
            return Err(ConfigError::Exists { object, place: format!(" on bridge {bridge}") });
        }
        assign_all(&object, mirrors.entry(name.to_owned()).or_default(), pairs)
    }

    fn del_mirror(
        &mut self,
        (bridge, name): (&str, &str),
        tolerance: Tolerance,
    ) -> Result<(), ConfigError> {
        let mirrors = &mut self.bridge_mut(bridge)?.mirrors;
        let hint = keys::nearest(name, mirrors.keys().map(String::as_str)).map(str::to_owned);
        match mirrors.remove(name) {
            None if tolerance == Tolerance::Strict => {
                Err(missing(ObjectRef::Mirror(name.to_owned()), hint.as_deref()))
            }
            _ => Ok(()),
        }
    }

    fn set(
        &mut self,
        target: &Target,
        pairs: &[Pair],
        tolerance: Tolerance,
    ) -> Result<(), ConfigError> {
        self.change(target, tolerance, Change::Set(pairs))
    }

    fn clear(
        &mut self,
        target: &Target,
        keys: &[String],
        tolerance: Tolerance,
    ) -> Result<(), ConfigError> {
        self.change(target, tolerance, Change::Clear(keys))
    }

    fn change(
        &mut self,
        target: &Target,
        tolerance: Tolerance,
        change: Change<'_>,
    ) -> Result<(), ConfigError> {
        let object = object_of(target);
        let missing = match target {
            Target::Switch => return change.apply(&object, &mut self.config.switch),
            Target::Bridge(name) => match self.config.bridges.get_mut(name) {
                Some(bridge) => return change.apply(&object, &mut bridge.settings),
                None => missing_bridge(&self.config, name),
            },
            Target::Port(name) => match self.config.port_mut(name) {
                Some(port) => return change.apply(&object, &mut port.settings),
                None => missing_port(&self.config, name),
            },
        };
        if tolerance == Tolerance::Lenient { Ok(()) } else { Err(missing) }
    }

    fn get(&self, target: &Target, key: Option<&str>) -> Result<Output, ConfigError> {
        let object = object_of(target);
        match target {
            Target::Switch => read(&object, &self.config.switch, Vec::new(), key),
            Target::Bridge(name) => {
                read(&object, &self.bridge(name)?.settings, vec![("name", Shown::word(name))], key)
            }
            Target::Port(name) => {
                let (bridge, port) = self.port(name)?;
                let mut facts = vec![("name", Shown::word(name)), ("bridge", Shown::word(bridge))];
                if let Some(ofport) = port.ofport {
                    facts.push(("ofport", Shown::number(ofport.get().into())));
                }
                read(&object, &port.settings, facts, key)
            }
        }
    }
}

enum Change<'a> {
    Set(&'a [Pair]),
    Clear(&'a [String]),
}

impl Change<'_> {
    fn apply<S: Settings>(&self, object: &ObjectRef, settings: &mut S) -> Result<(), ConfigError> {
        match self {
            Change::Set(pairs) => assign_all(object, settings, pairs),
            Change::Clear(keys) => keys.iter().try_for_each(|key| {
                (writable::<S>(object, key)?.clear)(settings);
                Ok(())
            }),
        }
    }
}

/// Keys that state facts, beside those that can be set.
const FACTS: &[&str] = &["name", "bridge", "ofport"];

fn writable<S: Settings>(
    object: &ObjectRef,
    key: &str,
) -> Result<&'static keys::Key<S>, ConfigError> {
    if *object != ObjectRef::Switch && FACTS.contains(&key) {
        return Err(ConfigError::ReadOnlyKey { object: object.clone(), key: key.to_owned() });
    }
    keys::find(object, key)
}

fn assign_all<S: Settings>(
    object: &ObjectRef,
    settings: &mut S,
    pairs: &[Pair],
) -> Result<(), ConfigError> {
    pairs.iter().try_for_each(|pair| {
        writable::<S>(object, &pair.0)?;
        keys::assign(object, settings, pair)
    })
}

fn read<S: Settings>(
    object: &ObjectRef,
    settings: &S,
    facts: Vec<(&'static str, Shown)>,
    key: Option<&str>,
) -> Result<Output, ConfigError> {
    let Some(key) = key else {
        return Ok(Output::Settings(facts.into_iter().chain(keys::present(settings)).collect()));
    };
    if let Some((_, value)) = facts.into_iter().find(|(name, _)| *name == key) {
        return Ok(Output::Value(Some(value)));
    }
    if matches!(object, ObjectRef::Port(_)) && key == "ofport" {
        return Ok(Output::Value(None));
    }
    let key = keys::find::<S>(object, key)?;
    let unset = || {
        // The default in its own type, so that a number stays one in JSON.
        let mut settings = S::default();
        (key.set)(&mut settings, key.default?).ok()?;
        (key.get)(&settings)
    };
    Ok(Output::Value((key.get)(settings).or_else(unset)))
}

fn object_of(target: &Target) -> ObjectRef {
    match target {
        Target::Switch => ObjectRef::Switch,
        Target::Bridge(name) => ObjectRef::Bridge(name.clone()),
        Target::Port(name) => ObjectRef::Port(name.clone()),
    }
}

fn touches(verb: &Verb) -> Option<ObjectRef> {
    match verb {
        Verb::AddBr(bridge, _) => Some(ObjectRef::Bridge(bridge.clone())),
        Verb::AddPort(_, port, _) => Some(ObjectRef::Port(port.clone())),
        Verb::AddMirror(_, name, _) => Some(ObjectRef::Mirror(name.clone())),
        Verb::Set(target, _) | Verb::Clear(target, _) => Some(object_of(target)),
        _ => None,
    }
}

pub(crate) fn missing_bridge(config: &Config, name: &str) -> ConfigError {
    let hint = keys::nearest(name, config.bridges.keys().map(String::as_str));
    missing(ObjectRef::Bridge(name.to_owned()), hint)
}

fn missing_port(config: &Config, name: &str) -> ConfigError {
    let ports = config.bridges.values().flat_map(|bridge| bridge.ports.keys());
    missing(ObjectRef::Port(name.to_owned()), keys::nearest(name, ports.map(String::as_str)))
}

fn missing(object: ObjectRef, near: Option<&str>) -> ConfigError {
    let hint = near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
    ConfigError::Missing { object, hint }
}

#[cfg(test)]
mod tests;
