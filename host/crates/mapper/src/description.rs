//! Who a mapper says it is, and whether settings are those that it reads.

/// Who a mapper says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The settings that it reads.
    pub settings: Vec<DeclaredSetting>,
}

/// A setting that a mapper reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredSetting {
    /// Its name. One that ends in a word in angle brackets stands for all that begin like it: `tax.<marketplace id>`.
    pub key: String,
    /// What it is for.
    pub description: String,
    /// Whether the mapper can do without.
    pub required: bool,
}

/// What is wrong with a mapper's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingProblem {
    /// One is missing.
    #[error(
        "MAP-SETTING-MISSING: the mapper needs the setting `{key}` ({description}): add it to the seller's settings"
    )]
    Missing {
        /// Its name.
        key: String,
        /// What it is for.
        description: String,
    },
    /// One is not read by the mapper.
    #[error(
        "MAP-SETTING-UNKNOWN: the mapper reads no setting `{key}`: it reads {known}; correct or remove it"
    )]
    Unknown {
        /// Its name.
        key: String,
        /// What it reads instead.
        known: String,
    },
    /// One is there twice.
    #[error("MAP-SETTING-TWICE: the setting `{key}` is given twice: remove one")]
    Twice {
        /// Its name.
        key: String,
    },
}

impl DeclaredSetting {
    fn stands_for(&self, key: &str) -> bool {
        match self.key.strip_suffix('>').and_then(|own| own.split_once('<')) {
            Some((beginning, _)) => key.starts_with(beginning),
            None => self.key == key,
        }
    }
}

impl Description {
    /// As [`Description::check_settings`], while other versions map by the same settings: one that any of them reads
    /// is not unknown.
    pub fn check_settings_beside(
        &self,
        settings: &[(String, String)],
        others: &[Description],
    ) -> Vec<SettingProblem> {
        let mut problems = self.check_settings(settings);
        problems.retain(|problem| match problem {
            SettingProblem::Unknown { key, .. } => !others.iter().any(|other| other.reads(key)),
            SettingProblem::Missing { .. } | SettingProblem::Twice { .. } => true,
        });
        problems
    }

    /// Whether a setting is one that it reads.
    fn reads(&self, key: &str) -> bool {
        self.settings.iter().any(|own| own.stands_for(key))
    }

    /// Says what is wrong with settings; nothing if they are as declared.
    pub fn check_settings(&self, settings: &[(String, String)]) -> Vec<SettingProblem> {
        let known: Vec<&str> = self.settings.iter().map(|setting| setting.key.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let missing = self.settings.iter().filter(|own| own.required);
        let missing = missing.filter(|own| !settings.iter().any(|(key, _)| own.stands_for(key)));
        let missing = missing.map(|own| SettingProblem::Missing {
            key: own.key.clone(),
            description: own.description.clone(),
        });
        let unknown = settings.iter().filter(|(key, _)| !self.reads(key));
        let unknown =
            unknown.map(|(key, _)| SettingProblem::Unknown { key: key.clone(), known: known.clone() });
        let twice = settings.iter().enumerate();
        let twice = twice.filter(|(at, (key, _))| settings[..*at].iter().any(|(other, _)| other == key));
        let twice = twice.map(|(_, (key, _))| SettingProblem::Twice { key: key.clone() });
        missing.chain(unknown).chain(twice).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_held_against_what_is_declared() {
        let setting = |key: &str, required| DeclaredSetting {
            key: key.to_owned(),
            description: "what for".to_owned(),
            required,
        };
        let description = Description {
            name: "m".to_owned(),
            version: "1".to_owned(),
            settings: vec![setting("tax.<place>", true), setting("mode", false)],
        };
        let given = |pairs: &[(&str, &str)]| -> Vec<String> {
            let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            description.check_settings(&pairs).iter().map(ToString::to_string).collect()
        };
        assert!(given(&[("tax.US", "exclusive"), ("mode", "x")]).is_empty());
        let missing = given(&[]);
        assert!(
            missing.len() == 1
                && missing[0].starts_with("MAP-SETTING-MISSING: the mapper needs the setting `tax.<place>`")
        );
        let unknown = given(&[("tax.US", ""), ("taxes", "")]);
        assert!(
            unknown.len() == 1 && unknown[0].contains("no setting `taxes`: it reads tax.<place>, mode"),
            "{unknown:?}"
        );
        let other = Description { settings: vec![setting("taxes", true)], ..description.clone() };
        let pairs = [("tax.US", ""), ("taxes", ""), ("tex", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let beside = description.check_settings_beside(&pairs, std::slice::from_ref(&other));
        assert!(matches!(&beside[..], [SettingProblem::Unknown { key, .. }] if key == "tex"), "{beside:?}");
        let twice = given(&[("tax.US", "a"), ("tax.US", "b")]);
        assert!(twice.len() == 1 && twice[0].starts_with("MAP-SETTING-TWICE"), "{twice:?}");
    }
}
