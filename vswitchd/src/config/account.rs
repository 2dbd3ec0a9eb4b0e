//! Users and groups, by name or by number.
//!
//! # Design
//! The configuration keeps what was typed. A name is looked up when a device is opened with it, in the
//! host's own file: who comes from a directory service is named by number.
//!
//! # References
//! passwd(5), group(5).

use std::path::PathBuf;

use super::value::{Refused, Value};

/// Longest name, bytes (`LOGIN_NAME_MAX`, limits.h, less its final zero).
const NAME_MAX: usize = 255;

/// Where names are looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Book {
    /// Users.
    Users,
    /// Groups.
    Groups,
}

impl Book {
    const fn path(self) -> &'static str {
        match self {
            Book::Users => "/etc/passwd",
            Book::Groups => "/etc/group",
        }
    }
}

/// A user, or a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account(String);

/// Why an account has no number.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is none of that name.
    #[error("no {name} in {} (a number would do)", path.display())]
    Unknown {
        /// The name.
        name: String,
        /// Where it was looked up.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Account {
    /// Its number.
    ///
    /// # Errors
    /// Nobody is called so.
    pub fn id(&self, book: Book) -> Result<u32, AccountError> {
        if let Ok(id) = self.0.parse() {
            return Ok(id);
        }
        let path = PathBuf::from(book.path());
        match std::fs::read_to_string(&path) {
            Ok(text) => find(&text, &self.0)
                .ok_or_else(|| AccountError::Unknown { name: self.0.clone(), path }),
            Err(source) => Err(AccountError::Read { path, source }),
        }
    }
}

/// The number of a name. Both files have lines of `name:password:number:…`.
fn find(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

impl Value for Account {
    fn allowed() -> String {
        "a name or a number".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let is_in_name = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b':' | b'/' | b',');
        if text.is_empty() || text.len() > NAME_MAX || !text.bytes().all(is_in_name) {
            return Err(Refused::new("not a name", Self::allowed()));
        }
        // The last one says "nobody in particular" to the kernel.
        if is_number && text.parse::<u32>().map_or(true, |id| id == u32::MAX) {
            return Err(Refused::new("out of range", format!("0-{}", u32::MAX - 1)));
        }
        Ok(Account(text.to_owned()))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_told_apart() {
        let id = |text| Account::parse(text).unwrap().id(Book::Users);
        assert_eq!(id("0").unwrap(), 0);
        assert_eq!(id("4294967294").unwrap(), u32::MAX - 1);
        assert_eq!(id("root").unwrap(), 0);
        assert_eq!(Account::parse("root").unwrap().id(Book::Groups).unwrap(), 0);
        let error = id("no-such-user").unwrap_err().to_string();
        assert_eq!(error, "no no-such-user in /etc/passwd (a number would do)");
        for text in ["", "4294967295", "99999999999", "a b", "a:b", "a,b", "\u{e9}"] {
            assert!(Account::parse(text).is_err(), "{text}");
        }
        assert_eq!(Account::parse("a_b-c.d$").unwrap().text(), "a_b-c.d$");
    }

    #[test]
    fn lines_are_searched_for_the_whole_name() {
        let text =
            "root:x:0:0\n# rubbish\nqemu-kvm:x:12:1\nqemu:x:64055:108::/nonexistent\nbad:x:y";
        assert_eq!(find(text, "qemu"), Some(64055));
        assert_eq!([find(text, "qem"), find(text, "bad"), find(text, "x")], [None; 3]);
    }
}
