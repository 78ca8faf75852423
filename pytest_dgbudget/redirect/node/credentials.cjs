"use strict";
// What a redirected client shows the gateway. Its own credential goes nowhere: a token of ours stays, what could be the
// vendor's becomes our token, and what could not is shown to be wrong.

const TOKEN = /^d9b0d9e7[0-9a-f]{32}$/;
const KEYS = [/^[0-9a-f]{40}$/i, /^dgemu_/, /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/];
const WRONG_PREFIX = "invalid-";
const SCHEME = /^\s*(token|bearer)\s+(.*?)\s*$/i;

function isToken(credential) {
  return TOKEN.test(credential);
}

function isKey(credential) {
  return KEYS.some((shape) => shape.test(credential));
}

function replaced(credential, token) {
  if (isToken(credential)) return credential;
  return isKey(credential) ? token : WRONG_PREFIX + token;
}

/** The value of an Authorization header, its scheme as it was. */
function replacedAuthorization(value, token) {
  const [, scheme, credential] = SCHEME.exec(value) || [null, "Token", ""];
  return `${scheme} ${replaced(credential, token)}`;
}

function isShownIn(protocols) {
  return protocols.length > 1 && /^(token|bearer)$/i.test(protocols[0]);
}

/** The subprotocols, as many as there were: who asked for ``token`` checks that it is what was chosen. */
function replacedProtocols(protocols, token) {
  const shown = isShownIn(protocols);
  return protocols.map((protocol, index) => {
    if (index === 1 && shown) return replaced(protocol, token);
    return isKey(protocol) ? replaced(protocol, token) : protocol;
  });
}

/** The subprotocols of a client that has no other way to show a credential; none may be offered twice. */
function protocolsThatShow(protocols, token) {
  if (isShownIn(protocols)) return replacedProtocols(protocols, token);
  return [...new Set(["token", WRONG_PREFIX + token, ...replacedProtocols(protocols, token)])];
}

function carriesToken(authorization, protocols) {
  const [, , credential] = SCHEME.exec(authorization || "") || [];
  return isToken(credential) || protocols.some(isToken);
}

module.exports = { replacedAuthorization, replacedProtocols, protocolsThatShow, isShownIn, carriesToken };
