//! Every `grpcurl` line of the documentation is run against the real server in the way that grpcurl does it: JSON
//! becomes a message by the descriptors, the call is made, and what comes back is checked.

mod markdown;
mod reflection;
mod shop;

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::{Code, Status, transport::Channel};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
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

/// What the example asks for, and the answer as JSON.
async fn run(shop: &Shop<'_>, channel: &Channel, example: &Example) -> Result<String, Status> {
    let place = &example.place;
    let method = dynamic::method(&example.call);
    let mut things = shop.things(&example.call);
    let json = things.fill(&example.data).await;
    let message = serde_json::from_str(&json).and_then(|json| dynamic::request(&method, &json));
    let message =
        message.unwrap_or_else(|error| panic!("{place}: {json} is no {}: {error}", method.input().full_name()));
    let mut bearer = String::new();
    for (name, value) in &example.headers {
        let token = value.strip_prefix("Bearer ").unwrap_or_else(|| panic!("{place}: {name}: {value}"));
        assert!(name == "authorization" && ["TOKEN", "$TOKEN"].contains(&token), "{place}: {name}: {value}");
        bearer = things.token().await;
    }
    let answer = dynamic::call_bytes(channel, &method, message.encode_to_vec().into(), &bearer).await?;
    Ok(dynamic::json(&DynamicMessage::decode(method.output(), answer).unwrap()).to_string())
}

/// What is wrong with how an example ended.
fn judge(example: &Example, result: &Result<String, Status>) -> Option<String> {
    let refused = REFUSED.iter().find(|(call, ..)| *call == example.call);
    let word = |status: &Status| status.metadata().get("error-code").map(|word| word.to_str().unwrap().to_owned());
    let is_right = match (result, refused) {
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
        let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
        for example in examples() {
            if example.call == "list" {
                assert!(reflection::services(&server.address).await.len() >= 16);
                continue;
            }
            let result = run(&shop, &channel, &example).await;
            wrong.extend(judge(&example, &result));
            seen.insert(example.call);
        }
        assert!(wrong.is_empty(), "{} examples went wrong:\n{}", wrong.len(), wrong.join("\n"));
        let all = dynamic::methods().into_iter().map(|method| dynamic::full_name(&method));
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
    let ours: BTreeSet<String> = dynamic::POOL.services().map(|service| service.full_name().to_owned()).collect();
    assert_eq!(ours.len(), 17);
    for services in [reflection::services(&server.address).await, reflection::services_alpha(&server.address).await] {
        assert!(ours.is_subset(&services), "{services:?}");
    }
    for service in &ours {
        for files in
            [reflection::files(&server.address, service).await, reflection::files_alpha(&server.address, service).await]
        {
            let mut told = DescriptorPool::new();
            // Files come with what they import, in no order that a pool could rely on.
            let files = files.iter().map(|file| prost_types::FileDescriptorProto::decode(file.as_slice()).unwrap());
            told.add_file_descriptor_protos(files).unwrap();
            let told = told.get_service_by_name(service).unwrap();
            let known = dynamic::POOL.get_service_by_name(service).unwrap();
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
