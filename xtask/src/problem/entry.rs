//! What is said about a kind of problem, and the macro that makes the table of all kinds.

/// What a user is told about a kind of problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The stable word, in JSON as well.
    pub(crate) word: &'static str,
    /// The check of doctor that finds it, if one does.
    pub(crate) check: Option<&'static str>,
    /// What the user sees: the message, with its variable parts in capitals.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the page shows it, and a test makes that"))]
    pub(super) see: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "only the page shows it, and a test makes that"))]
    pub(super) why: &'static str,
    /// What to type. A problem that has no way of its own to fix it shows this.
    pub(super) then: &'static str,
}

/// Makes the enum of the words, and the entry of each.
macro_rules! codes {
    ($($name:ident $word:literal $(($check:literal))?: $see:literal, $why:literal, $then:literal;)+) => {
        /// The kind of a problem. Its word never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $see] $name,)+
        }

        impl Code {
            /// All of them, in the order of the page.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            /// What is said about it.
            pub(crate) fn entry(self) -> Entry {
                match self {
                    $(Self::$name => {
                        let check = [$(Some($check),)? None][0];
                        Entry { word: $word, check, see: $see, why: $why, then: $then }
                    })+
                }
            }
        }
    };
}

pub(super) use codes;
