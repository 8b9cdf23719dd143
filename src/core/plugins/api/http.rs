//! Outbound HTTP for scripts, through the one client and its address policy.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{HostApi, words};
use crate::core::http::{Request, Response};

impl HostApi {
    pub(super) async fn http_get(&self, url: &str) -> Result<String, String> {
        let response = self.send("GET", url, "", Vec::new()).await?;
        Ok(text(&response))
    }

    pub(super) async fn http_post(
        &self,
        url: &str,
        body: &str,
        content_type: &str,
        headers: &str,
    ) -> Result<String, String> {
        let mut headers = header_list(headers)?;
        if !content_type.is_empty() {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        let response = self.send("POST", url, body, headers).await?;
        Ok(text(&response))
    }

    /// Body and answer are base64, since the engine's texts can't hold bytes.
    pub(super) async fn http_post_bytes(&self, url: &str, body: &str) -> Result<String, String> {
        let body = STANDARD.decode(body).map_err(|cause| format!("the body is no base64: {cause}"))?;
        let headers = vec![("content-type".to_owned(), "application/octet-stream".to_owned())];
        let request = Request { method: "POST", url, headers, body: body.into() };
        let response = self.http.send(request).await.map_err(|error| words(&error))?;
        Ok(STANDARD.encode(&response.body))
    }

    pub(super) async fn http_request(
        &self,
        method: &str,
        url: &str,
        body: &str,
        headers: &str,
    ) -> Result<String, String> {
        let response = self.send(method, url, body, header_list(headers)?).await?;
        Ok(whole(&response))
    }

    async fn send(
        &self,
        method: &str,
        url: &str,
        body: &str,
        headers: Vec<(String, String)>,
    ) -> Result<Response, String> {
        let request = Request { method, url, headers, body: body.to_owned().into() };
        self.http.send(request).await.map_err(|error| words(&error))
    }
}

fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

/// Status, headers and body as JSON.
pub(super) fn whole(response: &Response) -> String {
    let headers: Map<String, Value> =
        response.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    json!({ "status": response.status, "headers": headers, "body": text(response) }).to_string()
}

/// Reads `{"Name": "value"}`; the empty text means none.
pub(super) fn header_list(json: &str) -> Result<Vec<(String, String)>, String> {
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    // Without the cause, which quotes what is there instead, such as a token.
    let fields: Map<String, Value> = serde_json::from_str(json).map_err(|cause| {
        format!("the headers are no JSON object of texts: line {}, column {}", cause.line(), cause.column())
    })?;
    fields
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(value) => Ok((name, value)),
            Value::Number(value) => Ok((name, value.to_string())),
            _ => Err(format!("the header `{name}` is no text")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::header_list;

    #[test]
    fn headers_that_can_not_be_read_are_not_shown() {
        for wrong in ["\"Bearer hunter2\"", "[\"hunter2\"]", "{\"authorization\": \"hunter2"] {
            let problem = header_list(wrong).unwrap_err();
            assert!(problem.contains("line 1") && !problem.contains("hunter2"), "{problem}");
        }
        assert_eq!(header_list("{\"a\": 1}").unwrap(), [("a".to_owned(), "1".to_owned())]);
    }
}
