//! Every `grpcurl` line of the documentation is run against the real server in the way that grpcurl does it: JSON
//! becomes a message by the descriptors, the call is made, and what comes back is checked.

mod markdown;
mod raw;
mod shop;

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use tonic::{Code, Request, Status, transport::Channel};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        rows::NOT_BUILT,
        server::{InProcess, channel},
        world::World,
    },
};
use markdown::{Example, examples};
use shop::Shop;

/// Calls that the test's shop can't answer with success: the code, the word in `error-code`, and why.
const REFUSED: &[(&str, Code, &str, &str)] = &[(
    "rustbill.payment.PaymentService/HandleCallback",
    Code::InvalidArgument,
    "payment.signature",
    "an example has no valid signature",
)];

/// Whether a call is not there yet; one that comes fails this test until it is taken off the list.
fn is_unbuilt(call: &str) -> bool {
    call.rsplit_once('.').is_some_and(|(_, short)| NOT_BUILT.contains(&short))
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(rustbill::server::grpc::DESCRIPTORS).unwrap()
}

fn method(pool: &DescriptorPool, call: &str) -> Option<MethodDescriptor> {
    let (service, method) = call.split_once('/')?;
    pool.get_service_by_name(service)?.methods().find(|candidate| candidate.name() == method)
}

/// What the example asks for, and the answer as JSON.
async fn run(shop: &Shop<'_>, channel: &Channel, pool: &DescriptorPool, example: &Example) -> Result<String, Status> {
    let place = &example.place;
    let method = method(pool, &example.call).unwrap_or_else(|| panic!("{place}: no call {}", example.call));
    let mut things = shop.things(&example.call);
    let json = things.fill(&example.data).await;
    let mut reader = serde_json::Deserializer::from_str(&json);
    let message = DynamicMessage::deserialize(method.input(), &mut reader)
        .unwrap_or_else(|error| panic!("{place}: {json} is no {}: {error}", method.input().full_name()));
    let mut request = Request::new(message.encode_to_vec());
    for (name, value) in &example.headers {
        let token = value.strip_prefix("Bearer ").unwrap_or_else(|| panic!("{place}: {name}: {value}"));
        assert!(name == "authorization" && ["TOKEN", "$TOKEN"].contains(&token), "{place}: {name}: {value}");
        let value = format!("Bearer {}", things.token().await);
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    let answer = raw::call(channel, &example.call, request).await?;
    let answer = DynamicMessage::decode(method.output(), answer.as_slice()).unwrap();
    Ok(serde_json::to_string(&answer).unwrap())
}

/// What is wrong with how an example ended.
fn judge(example: &Example, result: &Result<String, Status>) -> Option<String> {
    let refused = REFUSED.iter().find(|(call, ..)| *call == example.call);
    let word = |status: &Status| status.metadata().get("error-code").map(|word| word.to_str().unwrap().to_owned());
    let is_right = match (result, refused) {
        (Err(status), _) if is_unbuilt(&example.call) => status.code() == Code::Unimplemented,
        (_, _) if is_unbuilt(&example.call) => false,
        (Ok(_), None) => true,
        (Err(status), Some((_, code, expected, _))) => {
            status.code() == *code && word(status).as_deref() == Some(*expected)
        }
        (Ok(_), Some(_)) | (Err(_), None) => false,
    };
    let end = match result {
        Ok(answer) => format!("answered {answer}"),
        Err(status) => format!("failed with {:?} {:?}: {}", status.code(), word(status), status.message()),
    };
    (!is_right).then(|| format!("{}: {} {end}", example.place, example.call))
}

on_both! {
    async fn every_example_of_the_documentation_works(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let shop = Shop::open(&world, channel.clone()).await;
        let pool = pool();
        let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
        for example in examples() {
            if example.call == "list" {
                assert!(raw::services(&server.address).await.len() >= 16);
                continue;
            }
            let result = run(&shop, &channel, &pool, &example).await;
            wrong.extend(judge(&example, &result));
            seen.insert(example.call);
        }
        assert!(wrong.is_empty(), "{} examples went wrong:\n{}", wrong.len(), wrong.join("\n"));
        let all = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let all = all.map(|method| format!("{}/{}", method.parent_service().full_name(), method.name()));
        assert_eq!(all.collect::<BTreeSet<_>>(), seen, "the documentation shows every call");
        drop(shop);
        server.stop().await;
    }
}

/// Generic clients such as grpcurl know nothing but what reflection tells.
#[tokio::test(flavor = "multi_thread")]
async fn reflection_tells_everything_in_both_versions() {
    let world = World::on(TestDatabase::sqlite()).await;
    let server = InProcess::start(&world).await;
    let ours: BTreeSet<String> = pool().services().map(|service| service.full_name().to_owned()).collect();
    assert_eq!(ours.len(), 16);
    for services in [raw::services(&server.address).await, raw::services_alpha(&server.address).await] {
        assert!(ours.is_subset(&services), "{services:?}");
    }
    for service in &ours {
        for files in [raw::files(&server.address, service).await, raw::files_alpha(&server.address, service).await] {
            let mut told = DescriptorPool::new();
            // Files come with what they import, in no order that a pool could rely on.
            let files = files.iter().map(|file| prost_types::FileDescriptorProto::decode(file.as_slice()).unwrap());
            told.add_file_descriptor_protos(files).unwrap();
            let told = told.get_service_by_name(service).unwrap();
            let known = pool().get_service_by_name(service).unwrap();
            let methods = |service: &prost_reflect::ServiceDescriptor| {
                service
                    .methods()
                    .map(|method| (method.name().to_owned(), method.input().full_name().to_owned()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(methods(&told), methods(&known));
        }
    }
    server.stop().await;
}
