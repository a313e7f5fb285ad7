//! The Noise crate, set up for this house: nothing in it draws random numbers or leaves a secret scalar behind.

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error, HandshakeState};
use x25519_dalek::{PublicKey as Point, StaticSecret};
use zeroize::Zeroizing;

use super::Local;

/// The protocol's name in full (Noise revision 34, 8).
pub(super) const NAME: &str = "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s";
/// Both sides must have said the same before.
pub(super) const PROLOGUE: &[u8] = b"voicetui 1";

/// A handshake's state before its first message, with the ephemeral key that the caller drew.
pub(super) fn start(local: &Local, ephemeral: &[u8; 32], initiator: bool) -> HandshakeState {
    const FITS: &str = "the pattern, one static key and one PSK at place 3 belong together";
    let params = NAME.parse().expect("the name is one of Noise's");
    let builder = Builder::with_resolver(params, Box::new(Given(Zeroizing::new(*ephemeral))));
    let builder = builder.prologue(PROLOGUE).and_then(|builder| builder.local_private_key(local.identity.secret())).expect(FITS);
    let builder = builder.psk(3, &local.psk).expect(FITS);
    if initiator { builder.build_initiator() } else { builder.build_responder() }.expect(FITS)
}

/// Hands out the one ephemeral key, once.
struct Given(Zeroizing<[u8; 32]>);

impl CryptoResolver for Given {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.0.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::new(Curve::default()) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct Once(Option<Zeroizing<[u8; 32]>>);

impl Random for Once {
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        let given = self.0.take().filter(|given| given.len() == out.len()).ok_or(Error::Rng)?;
        out.copy_from_slice(&given[..]);
        Ok(())
    }
}

/// X25519 with a scalar that is wiped on drop, and a refusal of points that would make the secret known to all
/// (RFC 7748, 6.1).
#[derive(Default)]
struct Curve {
    secret: Option<StaticSecret>,
    bytes: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl Dh for Curve {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        let Ok(bytes) = <[u8; 32]>::try_from(secret) else { return };
        self.bytes = Zeroizing::new(bytes);
        let secret = StaticSecret::from(bytes);
        self.public = Point::from(&secret).to_bytes();
        self.secret = Some(secret);
    }

    fn generate(&mut self, random: &mut dyn Random) -> Result<(), Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        random.try_fill_bytes(&mut bytes[..])?;
        self.set(&bytes[..]);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.bytes[..]
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let point = public.first_chunk::<32>().ok_or(Error::Dh)?;
        let shared = self.secret.as_ref().ok_or(Error::Dh)?.diffie_hellman(&Point::from(*point));
        if !shared.was_contributory() {
            return Err(Error::Dh);
        }
        out.first_chunk_mut::<32>().ok_or(Error::Dh)?.copy_from_slice(shared.as_bytes());
        Ok(())
    }
}

/// A side that sends whatever points it likes, and knows what secret an honest one would make with them.
#[cfg(test)]
pub(super) mod crooked {
    use super::*;

    /// Sent in place of true keys; the secret is zero with either.
    #[derive(Clone, Copy, Default)]
    pub(in super::super) struct Points {
        pub fixed: Option<[u8; 32]>,
        pub ephemeral: Option<[u8; 32]>,
    }

    struct Bent {
        inner: Given,
        points: Points,
    }

    struct BentCurve {
        inner: Curve,
        points: Points,
        sent: Option<[u8; 32]>,
    }

    pub(in super::super) fn start(local: &Local, ephemeral: &[u8; 32], initiator: bool, points: Points) -> HandshakeState {
        let resolver = Bent { inner: Given(Zeroizing::new(*ephemeral)), points };
        let builder = Builder::with_resolver(NAME.parse().expect("a name"), Box::new(resolver)).prologue(PROLOGUE).expect("a prologue");
        let builder = builder.local_private_key(local.identity.secret()).and_then(|builder| builder.psk(3, &local.psk)).expect("keys");
        if initiator { builder.build_initiator() } else { builder.build_responder() }.expect("a state")
    }

    impl CryptoResolver for Bent {
        fn resolve_rng(&self) -> Option<Box<dyn Random>> {
            self.inner.resolve_rng()
        }

        fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
            Some(Box::new(BentCurve { inner: Curve::default(), points: self.points, sent: None }))
        }

        fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
            self.inner.resolve_hash(choice)
        }

        fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
            self.inner.resolve_cipher(choice)
        }
    }

    impl Dh for BentCurve {
        fn name(&self) -> &'static str {
            self.inner.name()
        }

        fn pub_len(&self) -> usize {
            self.inner.pub_len()
        }

        fn priv_len(&self) -> usize {
            self.inner.priv_len()
        }

        /// The static key is set, the ephemeral one is drawn.
        fn set(&mut self, secret: &[u8]) {
            self.inner.set(secret);
            self.sent = self.points.fixed;
        }

        fn generate(&mut self, random: &mut dyn Random) -> Result<(), Error> {
            self.inner.generate(random)?;
            self.sent = self.points.ephemeral;
            Ok(())
        }

        fn pubkey(&self) -> &[u8] {
            self.sent.as_ref().map_or(self.inner.pubkey(), |sent| &sent[..])
        }

        fn privkey(&self) -> &[u8] {
            self.inner.privkey()
        }

        fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
            if self.sent.is_none() {
                return self.inner.dh(public, out);
            }
            out[..32].fill(0);
            Ok(())
        }
    }
}
