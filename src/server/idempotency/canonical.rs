//! The same request is the same bytes: clients write the entries of a map in any order, and some in another one each
//! time. Here fields are ordered by number and entries of maps by their bytes, as far down as messages go.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use prost::{
    Message as _,
    encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint},
};
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

use crate::server::grpc::DESCRIPTORS;

/// The head of a gRPC message: whether it is compressed, and its length.
const FRAME_HEAD: usize = 5;
/// Messages inside of messages; the protocol has few.
const DEPTH_MAX: usize = 32;

/// What is known of the messages of the protocol.
#[derive(Default)]
struct Known {
    /// The input of each RPC, by path.
    inputs: HashMap<String, String>,
    /// The type of each field that is a message.
    messages: HashMap<(String, u32), String>,
    /// Types that are entries of maps.
    entries: HashSet<String>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut known = Known::default();
    // The descriptors are compiled in and were read by the reflection service before.
    let Ok(files) = FileDescriptorSet::decode(DESCRIPTORS) else { return known };
    for file in files.file {
        let package = format!(".{}", file.package());
        for message in &file.message_type {
            known.add(&package, message);
        }
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                known.inputs.insert(path, method.input_type().to_owned());
            }
        }
    }
    known
});

impl Known {
    fn add(&mut self, parent: &str, message: &DescriptorProto) {
        let name = format!("{parent}.{}", message.name());
        if message.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry) {
            self.entries.insert(name.clone());
        }
        for field in message.field.iter().filter(|field| field.r#type() == Type::Message) {
            if let Ok(number) = u32::try_from(field.number()) {
                self.messages.insert((name.clone(), number), field.type_name().to_owned());
            }
        }
        for nested in &message.nested_type {
            self.add(&name, nested);
        }
    }
}

/// The body of a request in its one form; as it is when it is not what the RPC takes, since it will be refused.
pub(super) fn request(path: &str, body: &[u8]) -> Vec<u8> {
    let canonical = || {
        let (head, content) = body.split_at_checked(FRAME_HEAD)?;
        let input = KNOWN.inputs.get(path)?;
        (head[0] == 0).then(|| message(input, content, 0)).flatten()
    };
    canonical().unwrap_or_else(|| body.to_vec())
}

fn message(name: &str, mut content: &[u8], depth: usize) -> Option<Vec<u8>> {
    if depth > DEPTH_MAX {
        return None;
    }
    let mut fields: Vec<(u32, bool, Vec<u8>)> = Vec::new();
    while !content.is_empty() {
        let (number, wire) = decode_key(&mut content).ok()?;
        let mut written = Vec::new();
        encode_key(number, wire, &mut written);
        let inner = KNOWN.messages.get(&(name.to_owned(), number));
        match wire {
            WireType::Varint => encode_varint(decode_varint(&mut content).ok()?, &mut written),
            WireType::SixtyFourBit => written.extend_from_slice(content.split_off(..8)?),
            WireType::ThirtyTwoBit => written.extend_from_slice(content.split_off(..4)?),
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut content).ok()?).ok()?;
                let value = content.split_off(..length)?;
                let value = match inner {
                    Some(inner) => message(inner, value, depth + 1)?,
                    None => value.to_vec(),
                };
                encode_varint(u64::try_from(value.len()).ok()?, &mut written);
                written.extend_from_slice(&value);
            }
            WireType::StartGroup | WireType::EndGroup => return None,
        }
        fields.push((number, inner.is_some_and(|inner| KNOWN.entries.contains(inner)), written));
    }
    // Entries of maps by what they hold, everything else in the order in which it came.
    fields.sort_by(|(number, is_entry, written), (other_number, _, other)| {
        number.cmp(other_number).then_with(|| if *is_entry { written.cmp(other) } else { std::cmp::Ordering::Equal })
    });
    Some(fields.into_iter().flat_map(|(.., written)| written).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: &str = "/rustbill.product.ProductService/CreateProduct";
    const BATCH: &str = "/rustbill.product.ProductService/BatchDelete";

    fn framed(content: &[u8]) -> Vec<u8> {
        [&[0, 0, 0, 0, 0], content].concat()
    }

    fn field(number: u32, value: &[u8]) -> Vec<u8> {
        let mut written = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut written);
        encode_varint(value.len() as u64, &mut written);
        [written, value.to_vec()].concat()
    }

    /// A field of the request that is a map.
    fn map_of(path: &str) -> u32 {
        let input = &KNOWN.inputs[path];
        let is_map = |(key, inner): &(&(String, u32), &String)| key.0 == *input && KNOWN.entries.contains(*inner);
        KNOWN.messages.iter().find(is_map).unwrap().0.1
    }

    #[test]
    fn maps_have_one_order_and_lists_keep_theirs() {
        let number = map_of(CREATE);
        let entry = |key: &[u8]| field(number, &[field(1, key), field(2, b"v")].concat());
        let name = field(1, b"VPS");
        let first = framed(&[name.clone(), entry(b"a"), entry(b"b")].concat());
        let second = framed(&[entry(b"b"), name.clone(), entry(b"a")].concat());
        let third = framed(&[name, entry(b"a"), entry(b"c")].concat());
        assert_ne!(first, second);
        assert_eq!(request(CREATE, &first), request(CREATE, &second));
        assert_ne!(request(CREATE, &first), request(CREATE, &third));
        let ids = |one: &[u8], two: &[u8]| framed(&[field(1, one), field(1, two)].concat());
        assert_ne!(request(BATCH, &ids(b"a", b"b")), request(BATCH, &ids(b"b", b"a")));
    }

    #[test]
    fn what_is_no_message_stays_as_it_is() {
        for body in [b"".as_slice(), b"abc", &framed(b"\x0a\xff"), &framed(b"\x0b"), &[1, 0, 0, 0, 0, 9]] {
            assert_eq!(request(CREATE, body), body);
        }
        assert_eq!(request("/rustbill.x/Y", &framed(b"z")), framed(b"z"));
    }
}
