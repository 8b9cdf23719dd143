//! Reflection, as generic clients ask for it.

use std::collections::BTreeSet;

use crate::support::server::channel;

/// The same questions in both versions of reflection, whose types differ in nothing but their module.
macro_rules! reflection {
    ($version:ident, $services:ident, $files:ident) => {
        pub(crate) async fn $services(address: &str) -> BTreeSet<String> {
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
            match $version::ask(address, $version::MessageRequest::ListServices(String::new())).await {
                MessageResponse::ListServicesResponse(listed) => {
                    listed.service.into_iter().map(|service| service.name).collect()
                }
                other => panic!("{other:?}"),
            }
        }

        pub(crate) async fn $files(address: &str, symbol: &str) -> Vec<Vec<u8>> {
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
            let mut files = Vec::new();
            let mut next = vec![$version::MessageRequest::FileContainingSymbol(symbol.to_owned())];
            let mut asked = BTreeSet::new();
            while let Some(question) = next.pop() {
                let MessageResponse::FileDescriptorResponse(told) = $version::ask(address, question).await else {
                    panic!("no file for {symbol}")
                };
                for file in told.file_descriptor_proto {
                    let read = <prost_types::FileDescriptorProto as prost::Message>::decode(file.as_slice()).unwrap();
                    let wanted = read.dependency.into_iter().filter(|name| asked.insert(name.clone()));
                    next.extend(wanted.map($version::MessageRequest::FileByFilename));
                    files.push(file);
                }
            }
            files
        }

        mod $version {
            pub(super) use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_response::MessageResponse,
            };

            pub(super) async fn ask(address: &str, question: MessageRequest) -> MessageResponse {
                let mut client = ServerReflectionClient::new(super::channel(address).await);
                let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
                let mut answers =
                    client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
                answers.message().await.unwrap().unwrap().message_response.unwrap()
            }
        }
    };
}

reflection!(v1, services, files);
reflection!(v1alpha, services_alpha, files_alpha);
