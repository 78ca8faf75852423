"use strict";
// Workers whose script names the vendor: they run the init script first. Others are started as the page asked.

const VENDOR = /deepgram/i;

function install(settings, addresses, text, script) {
  const start = (target, [url, options, ...others], newTarget) => {
    const resolved = addresses.resolve(url);
    const begun = isConcerned(resolved, settings) ? redirectedWorker(resolved, options, text, script) : null;
    const first = begun ?? (addresses.isRelocated ? resolved : url);
    return Reflect.construct(target, options === undefined ? [first] : [first, options, ...others], newTarget);
  };
  globalThis.Worker = new Proxy(globalThis.Worker, { construct: start });
}

function isConcerned(url, { agent }) {
  const source = sourceOf(url);
  return source !== null && (VENDOR.test(source) || source.includes(agent.host));
}

/** The text of a script that the page may start; null where that can't be read. */
function sourceOf(url) {
  if (!/^(blob|data):/.test(url) && new URL(url).origin !== globalThis.location.origin) return null;
  try {
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.send();
    return request.status === 200 || request.status === 0 ? request.responseText : null;
  } catch {
    return null;
  }
}

/** The URL of a script that runs the init script, and then what the page asked for. */
function redirectedWorker(url, options, text, script) {
  // Pages revoke the URLs of their blobs as soon as a worker has been made.
  const address = /^blob:/.test(url) ? blobUrl(sourceOf(url)) : url;
  const base = /^(blob|data):/.test(url) ? globalThis.location.href : url;
  const init = `(${script})(${JSON.stringify(text)}, ${JSON.stringify(base)});\n`;
  if (options?.type !== "module") return blobUrl(`${init}importScripts(${JSON.stringify(address)});\n`);
  return blobUrl(`import ${JSON.stringify(blobUrl(init))};\nimport ${JSON.stringify(address)};\n`);
}

function blobUrl(source) {
  return URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
}

module.exports = { install };
