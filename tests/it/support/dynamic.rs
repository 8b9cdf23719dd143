//! Any RPC by its name, with messages as JSON: for tests that walk over the whole protocol, and for examples.
//!
//! The messages come from the descriptors that the server itself reflects, so nothing here has to know an RPC.

use std::sync::LazyLock;

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

/// The protocol as it is compiled.
pub(crate) static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(rustbill::server::grpc::DESCRIPTORS).unwrap());

/// All RPCs of the protocol as it is compiled.
pub(crate) fn methods() -> Vec<MethodDescriptor> {
    POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// The RPC with this name: `rustbill.order.OrderService/GetOrder` in full, or its end, such as `OrderService/GetOrder`.
pub(crate) fn method(name: &str) -> MethodDescriptor {
    let (service, rpc) = name.rsplit_once('/').unwrap_or_else(|| panic!("`{name}` is no Service/Method"));
    let is_it = |method: &MethodDescriptor| {
        let full = method.parent_service().full_name();
        method.name() == rpc && (full == service || full.ends_with(&format!(".{service}")))
    };
    methods().into_iter().find(is_it).unwrap_or_else(|| panic!("there is no RPC `{name}`"))
}

/// The name in full, as it stands in the path of a request.
pub(crate) fn full_name(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

/// The request of an RPC from JSON. Field names may be those of the protocol or their `lowerCamelCase`; an unknown one
/// is an error.
pub(crate) fn request(method: &MethodDescriptor, json: &Value) -> Result<DynamicMessage, serde_json::Error> {
    DynamicMessage::deserialize(method.input(), json)
}

/// A message as JSON, with the protocol's field names and with every field.
pub(crate) fn json(message: &DynamicMessage) -> Value {
    let options =
        SerializeOptions::new().skip_default_fields(false).use_proto_field_name(true).stringify_64_bit_integers(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

/// Calls an RPC as whoever holds the token, which is empty for nobody.
pub(crate) async fn call(channel: &Channel, name: &str, message: &Value, token: &str) -> Result<Value, Status> {
    let method = method(name);
    let message = request(&method, message).unwrap_or_else(|error| panic!("{name}: {message}: {error}"));
    let answer = call_bytes(channel, &method, message.encode_to_vec().into(), token).await?;
    let answer = DynamicMessage::decode(method.output(), answer).unwrap();
    Ok(json(&answer))
}

/// The same with the bytes of the message, whatever they are, and with the bytes of the answer.
pub(crate) async fn call_bytes(
    channel: &Channel,
    method: &MethodDescriptor,
    message: Bytes,
    token: &str,
) -> Result<Bytes, Status> {
    let mut request = Request::new(message);
    if !token.is_empty() {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let path = PathAndQuery::try_from(format!("/{}", full_name(method))).unwrap();
    let mut client = Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Status::unknown(format!("the connection is gone: {error}")))?;
    client.unary(request, path, Untyped).await.map(tonic::Response::into_inner)
}

/// Messages as their bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Untyped;

impl Codec for Untyped {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Untyped {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Untyped {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
