"use strict";
// Loaded into each Node program of a run by NODE_OPTIONS, before the program itself: clients that would dial the
// vendor's agent dial the gateway. Whatever is wrong here, the program must run as it would without: in silence.
// This file is read by Nodes of any age.

var MINIMUM_MAJOR_VERSION = 18;
var INSTALLED = Symbol.for("pytest-dgbudget.redirect");

function install() {
  var settings = require("./settings.cjs").read(process.env.DGBUDGET_REDIRECT);
  if (settings === null || globalThis[INSTALLED]) return;
  Object.defineProperty(globalThis, INSTALLED, { value: true });
  require("./globals.cjs").install(settings);
  require("./loading.cjs").install(settings);
  leaveWord(process.env.DGBUDGET_BROWSER_SCRIPT);
}

// The run learns that a program has loaded the redirect: a file beside the init script for pages.
function leaveWord(script) {
  if (!script) return;
  var fs = require("fs");
  fs.closeSync(fs.openSync(require("path").join(script, "..", "redirect-loaded"), "a", 384));
}

if (process.env.DGBUDGET_REDIRECT && parseInt(process.versions.node, 10) >= MINIMUM_MAJOR_VERSION) {
  try {
    install();
  } catch (error) {
    // A program that can't be redirected is not a broken one.
  }
}
