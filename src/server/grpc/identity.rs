//! `IdentityService`.

use tonic::{Request, Response, Status, metadata::MetadataValue};

use super::{
    Api,
    convert::{given, given_id, page, page_request, present, text},
    proto::identity::{
        CreateUserRequest, CreateUserResponse, GetMeRequest, GetMeResponse, GetUserRequest, GetUserResponse,
        ListUsersRequest, ListUsersResponse, LoginRequest, LoginResponse, LogoutRequest, LogoutResponse, UserInfo,
        identity_service_server::IdentityService,
    },
};
use crate::{
    core::{
        error::{Error, Result as CoreResult},
        id::Id,
        identity::{self, AdminRole, Credential, Grant, NewUser, User, UserFilter, UserKind},
        secret::Secret,
        settings::Session,
        text::search_filter,
    },
    server::auth::{actor, credential},
};

#[tonic::async_trait]
impl IdentityService for Api {
    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<LoginResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let kind = UserKind::parse(&request.user_type)?;
        let login = identity::login(&self.app, actor.source(), kind, &request.username, &request.password).await?;
        let user = Some(user_info(login.user));
        let settings = &self.app.settings;
        match login.grant {
            Grant::Session { token, lifetime_secs } => {
                let answer = LoginResponse {
                    access_token: String::new(),
                    refresh_token: String::new(),
                    expires_in: lifetime_secs,
                    user,
                    admin_path: settings.server.admin_path.clone(),
                };
                with_cookie(answer, &settings.session, token.reveal(), lifetime_secs)
            }
            Grant::Tokens { access, access_lifetime_secs, refresh } => Ok(Response::new(LoginResponse {
                access_token: access.reveal().to_owned(),
                refresh_token: refresh.reveal().to_owned(),
                expires_in: access_lifetime_secs,
                user,
                // Where the administration is, is no customer's business.
                admin_path: String::new(),
            })),
        }
    }

    async fn get_me(&self, request: Request<GetMeRequest>) -> Result<Response<GetMeResponse>, Status> {
        let user = identity::me(&self.app, &actor(&request)).await?;
        Ok(Response::new(GetMeResponse { user: Some(user_info(user)) }))
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<LogoutResponse>, Status> {
        let settings = &self.app.settings.session;
        // An access token is no session's token, so nothing is found for it and nothing ends.
        let shown = credential(request.metadata().as_ref(), &settings.cookie_name);
        let token = shown.map(|(Credential::Session(token) | Credential::Bearer(token))| token);
        identity::logout(&self.app, &actor(&request), token).await?;
        with_cookie(LogoutResponse {}, settings, "", 0)
    }

    async fn create_user(&self, request: Request<CreateUserRequest>) -> Result<Response<CreateUserResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewUser {
            kind: UserKind::parse(&request.user_type)?,
            role: present(&request.role).map(AdminRole::parse).transpose()?,
            customer_id: Id::parse_optional("customer_id", &request.customer_id)?,
            username: request.username,
            email: request.email,
            display_name: request.display_name,
            password: Secret::new(request.password),
        };
        let user = identity::create_user(&self.app, &actor, new).await?;
        Ok(Response::new(CreateUserResponse { user: Some(user_info(user)) }))
    }

    async fn list_users(&self, request: Request<ListUsersRequest>) -> Result<Response<ListUsersResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let kind = given(request.user_type.as_ref()).map_or(Ok(UserKind::Admin), UserKind::parse)?;
        let filter = UserFilter {
            role: given(request.role.as_ref()).map(AdminRole::parse).transpose()?,
            is_active: request.is_active,
            search: search_filter(given(request.search.as_ref()))?,
            customer_id: given_id("customer_id", request.customer_id.as_ref())?,
        };
        let found = identity::list_users(&self.app, &actor, kind, &filter, page_request(request.pagination)).await?;
        let (users, meta) = page(found, user_info);
        Ok(Response::new(ListUsersResponse { users, meta }))
    }

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<GetUserResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let kind = given(request.user_type.as_ref()).map(UserKind::parse).transpose()?;
        let user = identity::get_user(&self.app, &actor, kind, Id::parse("id", &request.id)?).await?;
        Ok(Response::new(GetUserResponse { user: Some(user_info(user)) }))
    }
}

fn user_info(user: User) -> UserInfo {
    UserInfo {
        id: user.id.to_string(),
        role: text(user.role),
        is_active: user.is_active,
        created_at: user.created_at.to_string(),
        user_type: user.kind().to_string(),
        customer_id: text(user.customer_id),
        username: user.username,
        email: user.email,
        display_name: user.display_name,
    }
}

/// The answer with a session cookie; an empty token of no age takes the cookie away.
fn with_cookie<T>(answer: T, settings: &Session, token: &str, max_age_secs: i64) -> Result<Response<T>, Status> {
    let value = cookie(settings, token, max_age_secs)?;
    let mut response = Response::new(answer);
    response.metadata_mut().insert("set-cookie", value);
    Ok(response)
}

fn cookie(settings: &Session, token: &str, max_age_secs: i64) -> CoreResult<MetadataValue<tonic::metadata::Ascii>> {
    let Session { cookie_name, cookie_same_site, cookie_secure, .. } = settings;
    let secure = if *cookie_secure { "; Secure" } else { "" };
    let text =
        format!("{cookie_name}={token}; Path=/; HttpOnly; SameSite={cookie_same_site}; Max-Age={max_age_secs}{secure}");
    let mut value = MetadataValue::try_from(text).map_err(|cause| {
        Error::internal("session.cookie", "the session cookie can't be written; check `session.cookie_name`")
            .caused_by(cause)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_has_the_configured_attributes() {
        let mut settings = Session { cookie_name: "sid".to_owned(), ..Session::default() };
        assert_eq!(cookie(&settings, "t", 60).unwrap(), "sid=t; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
        settings.cookie_secure = true;
        "Strict".clone_into(&mut settings.cookie_same_site);
        assert_eq!(cookie(&settings, "", 0).unwrap(), "sid=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure");
    }
}
