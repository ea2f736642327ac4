//! Who may do what.

use std::str::FromStr;

/// What a key may do. The names are stored: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads, and does an operator's daily work: pauses, review, catalogs, which mapper is active.
    Operator,
    /// Reads, and brings mappers.
    MapperAuthor,
    /// Everything.
    Admin,
}

/// There is no such role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role `{0}`: write viewer, operator, mapper-author or admin")]
pub struct UnknownRole(String);

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::MapperAuthor, Self::Admin];

    /// As stored, and as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::MapperAuthor => "mapper-author",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// What an operation asks of who calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// No key at all.
    Nothing,
    /// Any key.
    Read,
    /// An operator's.
    Operate,
    /// A mapper author's.
    Author,
    /// An administrator's.
    Administer,
}

impl Need {
    /// The roles that satisfy it.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Self::Nothing | Self::Read => &Role::ALL,
            Self::Operate => &[Role::Operator, Role::Admin],
            Self::Author => &[Role::MapperAuthor, Role::Admin],
            Self::Administer => &[Role::Admin],
        }
    }

    /// Whether a role satisfies it.
    pub fn met_by(self, role: Role) -> bool {
        self.roles().contains(&role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
        assert!(!Need::Administer.met_by(Role::Operator) && Need::Operate.met_by(Role::Admin));
        assert!(!Need::Operate.met_by(Role::MapperAuthor) && !Need::Author.met_by(Role::Operator));
    }
}
