//! The description that lets other programs open us (SDP, RFC 8866). Pure.

use std::net::IpAddr;

use super::rtp::{L16_PT, OPUS_PT, PCMU_PT};
use super::text::printable;

/// The session description of the open format: Opus (RFC 7587), L16 and PCMU with RTCP on the same port (RFC 5761). Lines end in
/// CRLF. `address` and `port` are where the media goes: what a receiver such as ffplay listens on.
#[must_use]
pub fn describe(address: IpAddr, port: u16, session_name: &str) -> String {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    let name = printable(session_name);
    // RFC 8866, 5.3: a name may not be empty; "-" is the way to say none.
    let name = if name.is_empty() { "-" } else { name.as_str() };
    let lines = [
        "v=0".to_owned(),
        format!("o=- {port} 1 IN {family} {address}"),
        format!("s={name}"),
        // RFC 8866, 5.7: multicast on IPv4 must say how far it goes.
        format!("c=IN {family} {address}{}", if address.is_ipv4() && address.is_multicast() { "/1" } else { "" }),
        "t=0 0".to_owned(),
        format!("m=audio {port} RTP/AVP {OPUS_PT} {L16_PT} {PCMU_PT}"),
        // RFC 7587, 7: always 48000 and 2, whatever is inside. L16 and PCMU have none: their types are static (RFC 3551, table 4), and
        // ffmpeg takes the codec of any mapping, whatever type it is of, for the one of the first.
        format!("a=rtpmap:{OPUS_PT} opus/48000/2"),
        format!("a=fmtp:{OPUS_PT} minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0"),
        "a=ptime:10".to_owned(),
        "a=rtcp-mux".to_owned(),
        "a=sendrecv".to_owned(),
    ];
    let mut out = lines.join("\r\n");
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_the_one_agreed_on() {
        let text = describe("192.0.2.7".parse().unwrap(), 5005, "Ada's desk");
        assert_eq!(text, include_str!("../../tests/wire/ipv4.sdp"));
    }

    #[test]
    fn only_opus_is_mapped_since_ffmpeg_takes_any_mapping_for_the_first_types() {
        let text = describe("192.0.2.7".parse().unwrap(), 5005, "");
        assert_eq!(text.matches("a=rtpmap:").count(), 1);
        assert!(text.contains("RTP/AVP 111 11 0\r\n"));
    }

    #[test]
    fn an_ipv6_address_says_so() {
        let text = describe("2001:db8::1".parse().unwrap(), 5006, "");
        assert!(text.contains("\r\nc=IN IP6 2001:db8::1\r\n") && text.contains("\r\nm=audio 5006 ") && text.contains("\r\ns=-\r\n"));
    }

    #[test]
    fn a_name_cannot_add_lines() {
        let text = describe("192.0.2.7".parse().unwrap(), 5005, "x\r\na=evil");
        assert!(text.contains("s=x a=evil\r\n"));
    }

    #[test]
    fn multicast_says_how_far_it_goes() {
        assert!(describe("239.1.2.3".parse().unwrap(), 5005, "").contains("c=IN IP4 239.1.2.3/1\r\n"));
    }
}
