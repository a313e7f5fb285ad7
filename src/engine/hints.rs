//! What an error of the socket means for the call: a hint, never an end. Any thread.

use std::io::{Error, ErrorKind};

use crate::call::SendFailure;
use crate::os::socket::is_wrong_family;

/// Why a datagram was not sent.
#[must_use]
pub fn failure(error: &Error) -> SendFailure {
    match error.kind() {
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown => SendFailure::NoRoute,
        ErrorKind::PermissionDenied => SendFailure::Forbidden,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => SendFailure::Refused,
        ErrorKind::WouldBlock => SendFailure::Busy,
        _ if is_wrong_family(error) => SendFailure::Family,
        _ => SendFailure::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_socket_is_a_hint() {
        assert_eq!(failure(&ErrorKind::NetworkUnreachable.into()), SendFailure::NoRoute);
        assert_eq!(failure(&ErrorKind::PermissionDenied.into()), SendFailure::Forbidden);
        assert_eq!(failure(&ErrorKind::ConnectionRefused.into()), SendFailure::Refused);
        #[cfg(target_os = "linux")]
        assert_eq!(failure(&Error::from_raw_os_error(97)), SendFailure::Family);
        assert_eq!(failure(&ErrorKind::Interrupted.into()), SendFailure::Other);
    }
}
