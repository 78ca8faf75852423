"use strict";
// What is patched as a program loads it: Node's own modules, which most programs never load and which take longer than
// all the rest of a start, and packages. ``import`` shows itself nowhere, so whatever may import counts as loading.

const Module = require("module");

const OWN = /^(node:)?_?(net|tls|https?|http2)(_\w+)?$/;
const IMPORT = /\bimport\b/;
const UNDICI = /^undici$|[\\/]undici[\\/]index\.js$/;
const PLAYWRIGHT = /(^|[\\/])(@playwright[\\/]test|playwright(-core)?)([\\/]|$)/;

function install(settings) {
  const patchOwn = once(() => attempt(() => patchOwnModules(settings)));
  watchRequires(settings, patchOwn);
  watchBuiltins(patchOwn);
  watchImports(patchOwn);
}

function patchOwnModules(settings) {
  require("./requests.cjs").install(settings);
  require("./refusal.cjs").install(settings);
  Module.syncBuiltinESMExports();
}

function watchRequires(settings, patchOwn) {
  const load = Module._load;
  Module._load = function (request, ...others) {
    if (OWN.test(request)) patchOwn();
    const loaded = load.call(this, request, ...others);
    attempt(() => patchPackage(request, loaded, settings));
    return loaded;
  };
}

function patchPackage(request, loaded, settings) {
  if (UNDICI.test(request)) require("./undici.cjs").patch(loaded, settings);
  if (PLAYWRIGHT.test(request)) require("./playwright.cjs").patch(loaded);
}

function watchBuiltins(patchOwn) {
  const { getBuiltinModule } = process;
  if (typeof getBuiltinModule !== "function") return;
  process.getBuiltinModule = function (name) {
    if (OWN.test(name)) patchOwn();
    return getBuiltinModule.apply(this, arguments);
  };
}

/** A CommonJS module is compiled here; the program itself, where it isn't, is an ECMAScript module. */
function watchImports(patchOwn) {
  const { _compile: compile } = Module.prototype;
  let programIsCommonJS = false;
  Module.prototype._compile = function (source, ...others) {
    programIsCommonJS ||= this.id === ".";
    if (IMPORT.test(source)) patchOwn();
    return compile.call(this, source, ...others);
  };
  process.nextTick(() => {
    if (!programIsCommonJS && IMPORT.test(process._eval ?? "import")) patchOwn();
  });
}

function once(action) {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}

function attempt(patch) {
  try {
    patch();
  } catch {
    // What has a form that we don't know is left as it is.
  }
}

module.exports = { install };
