//! Where servers can be bought: the providers and what can be chosen with each.

use futures::future::join_all;

use super::spec::Template;
use crate::core::{
    actor::Actor,
    app::App,
    error::Result,
    plugins::{self, Interface, Kind},
};

/// A provider that can be sold from.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its interface; the settings must not leave the caller.
    pub interface: Interface,
    /// What can be chosen; none when the script did not say.
    pub template: Option<Template>,
}

impl Provider {
    /// Whether the last check went well and the script answers now.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.interface.is_healthy && self.template.is_some()
    }
}

/// The enabled providers, each asked for its template. One that fails is listed all the same, so that it hides no
/// other. For everybody who is logged in.
///
/// # Errors
/// Unauthenticated for nobody.
pub async fn providers(app: &App, actor: &Actor) -> Result<Vec<Provider>> {
    let interfaces = plugins::visible(app, actor, &[Kind::FirstPartyProvider, Kind::UpstreamProvider]).await?;
    Ok(join_all(interfaces.into_iter().map(|interface| ask(app, interface))).await)
}

async fn ask(app: &App, interface: Interface) -> Provider {
    let answer = app.plugins.call_json_remembered(&interface, "spec_template").await.and_then(Template::read);
    let template = answer
        .inspect_err(|error| tracing::warn!(interface = %interface.id, %error, "a provider gave no spec template"))
        .ok();
    Provider { interface, template }
}
