//! The pages below `[server].admin_path`: one, which says where the administration is in this version.

use axum::{
    extract::{Request, State},
    http::{HeaderName, Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse as _, Response},
};

use crate::core::app::App;

const PAGE: &str = include_str!("admin_ui.html");
/// Nothing is loaded, sent or framed.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    // Another version has other pages.
    (header::CACHE_CONTROL, "no-cache"),
];

/// The layer.
pub(super) async fn answer(State(app): State<App>, request: Request, next: Next) -> Response {
    if !is_below(&app.settings.server.admin_path, request.uri().path()) {
        return next.run(request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    (HEADERS, Html(PAGE)).into_response()
}

/// Whether `path` is `base` or lies below it.
fn is_below(base: &str, path: &str) -> bool {
    let base = base.trim_end_matches('/');
    !base.is_empty() && path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_itself_and_what_is_below_it_are_pages() {
        for path in ["/admin", "/admin/", "/admin/orders/1"] {
            assert!(is_below("/admin", path) && is_below("/admin/", path), "{path}");
        }
        for path in ["/", "/administrator", "/x/admin", ""] {
            assert!(!is_below("/admin", path), "{path}");
        }
        assert!(!is_below("/", "/anything"));
    }
}
