//! Who may use the official admin page.

use secrecy::{ExposeSecret as _, SecretString};

use super::options::AdminUiOptions;
use super::problem::Problems;
use super::settings::choose;
use crate::chat::auth::is_strong;
use crate::socketio::AdminMode;

const ADMIN_UI: &str = "--admin-ui (PARLANCE_ADMIN_UI)";
const USER: &str = "--admin-ui-user (PARLANCE_ADMIN_UI_USER)";
const PASSWORD_HASH: &str = "--admin-ui-password-hash (PARLANCE_ADMIN_UI_PASSWORD_HASH)";
const ACCESS: &str = "--admin-ui-access (PARLANCE_ADMIN_UI_ACCESS)";
const SHOW: &str = "--admin-ui-show (PARLANCE_ADMIN_UI_SHOW)";

/// The admin page, where it is on.
#[derive(Debug, Clone)]
pub struct AdminUi {
    /// How much it shows.
    pub mode: AdminMode,
    /// Who may log in.
    pub user: String,
    /// What their password has.
    pub password_hash: SecretString,
    /// Whether they may do more than look.
    pub commands: bool,
    /// Whether they see the arguments of events.
    pub arguments: bool,
}

impl AdminUiOptions {
    /// `None` when the page is off, or something is wrong, which is then in `problems`.
    pub(super) fn read(&self, problems: &mut Problems) -> Option<AdminUi> {
        let modes = [
            ("off", None),
            ("production", Some(AdminMode::Production)),
            ("development", Some(AdminMode::Development)),
        ];
        let mode = choose(ADMIN_UI, &self.admin_ui, modes, problems);
        let access = [("read-only", false), ("commands", true)];
        let commands = choose(ACCESS, &self.admin_ui_access, access, problems);
        let show = [("names", false), ("arguments", true)];
        let arguments = choose(SHOW, &self.admin_ui_show, show, problems);
        let mode = mode.flatten()?;
        let user = match self.admin_ui_user.trim() {
            "" => Err("is empty".to_owned()),
            user => Ok(user.to_owned()),
        };
        let user = problems.take(USER, user);
        let password_hash = problems.take(PASSWORD_HASH, self.password_hash());
        Some(AdminUi {
            mode,
            user: user?,
            password_hash: password_hash?,
            commands: commands?,
            arguments: arguments?,
        })
    }

    fn password_hash(&self) -> Result<SecretString, String> {
        match &self.admin_ui_password_hash {
            None => Err("is missing: --admin-ui needs it; make one with `parlance hash-password`".to_owned()),
            Some(hash) if is_strong(hash.expose_secret()) => Ok(hash.clone()),
            Some(_) => Err(
                "is no argon2id hash that is hard enough to guess; make one with `parlance hash-password`"
                    .to_owned(),
            ),
        }
    }
}

/// The settings by the names of their options.
pub(super) fn lines(admin_ui: Option<&AdminUi>) -> Vec<(&'static str, String)> {
    let Some(admin_ui) = admin_ui else {
        return vec![("admin-ui", "off".to_owned())];
    };
    let word = |yes, words: [&str; 2]| words[usize::from(yes)].to_owned();
    vec![
        ("admin-ui", format!("{:?}", admin_ui.mode).to_lowercase()),
        ("admin-ui-user", admin_ui.user.clone()),
        ("admin-ui-password-hash", "********".to_owned()),
        (
            "admin-ui-access",
            word(admin_ui.commands, ["read-only", "commands"]),
        ),
        (
            "admin-ui-show",
            word(admin_ui.arguments, ["names", "arguments"]),
        ),
    ]
}
