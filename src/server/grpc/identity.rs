//! `IdentityService`.

use tonic::{Request, Response, Status, metadata::MetadataValue};

use super::{
    Api,
    convert::{given, given_id, page, page_request, present, text},
    proto::identity::{
        AdminResetPasswordRequest, AdminResetPasswordResponse, ChangePasswordRequest, ChangePasswordResponse,
        CreateUserRequest, CreateUserResponse, DeleteUserRequest, DeleteUserResponse, GetMeRequest, GetMeResponse,
        GetUserRequest, GetUserResponse, ListUsersRequest, ListUsersResponse, LoginRequest, LoginResponse,
        LogoutRequest, LogoutResponse, RefreshTokenRequest, RefreshTokenResponse, RegisterRequest, RegisterResponse,
        ResetPasswordRequest, ResetPasswordResponse, SendVerificationCodeRequest, SendVerificationCodeResponse,
        UpdateUserRequest, UpdateUserResponse, UserInfo, identity_service_server::IdentityService,
    },
};
use crate::{
    core::{
        accounts::{self, NewAccount},
        error::{Error, Result as CoreResult},
        id::Id,
        identity::{self, AdminRole, Grant, NewUser, Purpose, User, UserFilter, UserKind, UserUpdate},
        secret::Secret,
        settings::Session,
        text::search_filter,
    },
    server::auth::{actor, credential},
};

#[tonic::async_trait]
impl IdentityService for Api {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewAccount {
            username: request.username,
            email: request.email,
            display_name: request.display_name,
            password: Secret::new(request.password),
            verification_code: request.verification_code,
        };
        let user = accounts::register(&self.app, &actor, new).await?;
        let customer_id = text(user.customer_id);
        Ok(Response::new(RegisterResponse { user: Some(user_info(user)), customer_id }))
    }

    async fn send_verification_code(
        &self,
        request: Request<SendVerificationCodeRequest>,
    ) -> Result<Response<SendVerificationCodeResponse>, Status> {
        let purpose = Purpose::parse(&request.get_ref().purpose)?;
        let sent = accounts::send_code(&self.app, &actor(&request), &request.get_ref().email, purpose).await?;
        Ok(Response::new(SendVerificationCodeResponse {
            sent: true,
            // The same whether or not anybody has the address.
            message: match purpose {
                Purpose::Registration => "a code was sent to this address",
                Purpose::PasswordReset => "if an account has this address, a code was sent to it",
            }
            .to_owned(),
            retry_after_secs: i32::try_from(sent.retry_after_secs).unwrap_or(i32::MAX),
        }))
    }

    async fn reset_password(
        &self,
        request: Request<ResetPasswordRequest>,
    ) -> Result<Response<ResetPasswordResponse>, Status> {
        let ResetPasswordRequest { email, verification_code, new_password } = request.get_ref();
        let actor = actor(&request);
        identity::reset_forgotten_password(&self.app, &actor, email, verification_code, new_password).await?;
        Ok(Response::new(ResetPasswordResponse {}))
    }

    async fn refresh_token(
        &self,
        request: Request<RefreshTokenRequest>,
    ) -> Result<Response<RefreshTokenResponse>, Status> {
        let actor = actor(&request);
        let tokens = identity::refresh(&self.app, actor.source(), &request.get_ref().refresh_token).await?;
        Ok(Response::new(RefreshTokenResponse {
            access_token: tokens.access.reveal().to_owned(),
            expires_in: tokens.access_lifetime_secs,
            refresh_token: tokens.refresh.reveal().to_owned(),
        }))
    }

    async fn change_password(
        &self,
        request: Request<ChangePasswordRequest>,
    ) -> Result<Response<ChangePasswordResponse>, Status> {
        let current = token(&request, &self.app.settings.session);
        let ChangePasswordRequest { old_password, new_password } = request.get_ref();
        identity::change_password(&self.app, &actor(&request), current, old_password, new_password).await?;
        Ok(Response::new(ChangePasswordResponse {}))
    }

    async fn admin_reset_password(
        &self,
        request: Request<AdminResetPasswordRequest>,
    ) -> Result<Response<AdminResetPasswordResponse>, Status> {
        let AdminResetPasswordRequest { user_id, new_password } = request.get_ref();
        let id = Id::parse("user_id", user_id)?;
        identity::reset_password_of(&self.app, &actor(&request), None, id, new_password).await?;
        Ok(Response::new(AdminResetPasswordResponse {}))
    }

    async fn update_user(&self, request: Request<UpdateUserRequest>) -> Result<Response<UpdateUserResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let kind = given(request.user_type.as_ref()).map(UserKind::parse).transpose()?;
        let change = UserUpdate {
            role: given(request.role.as_ref()).map(AdminRole::parse).transpose()?,
            customer_id: given_id("customer_id", request.customer_id.as_ref())?,
            email: request.email,
            display_name: request.display_name,
            is_active: request.is_active,
        };
        let id = Id::parse("id", &request.id)?;
        let user = identity::update_user(&self.app, &actor, kind, id, &change).await?;
        Ok(Response::new(UpdateUserResponse { user: Some(user_info(user)) }))
    }

    async fn delete_user(&self, request: Request<DeleteUserRequest>) -> Result<Response<DeleteUserResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        identity::delete_user(&self.app, &actor(&request), None, id).await?;
        Ok(Response::new(DeleteUserResponse {}))
    }

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
            Grant::Tokens(tokens) => Ok(Response::new(LoginResponse {
                access_token: tokens.access.reveal().to_owned(),
                refresh_token: tokens.refresh.reveal().to_owned(),
                expires_in: tokens.access_lifetime_secs,
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
        identity::logout(&self.app, &actor(&request), token(&request, settings)).await?;
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

/// The token that the caller showed, of whatever kind.
fn token<'a, T>(request: &'a Request<T>, settings: &Session) -> Option<&'a str> {
    credential(request.metadata().as_ref(), &settings.cookie_name).map(|shown| shown.token())
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
