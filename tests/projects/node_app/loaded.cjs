"use strict";
// Prints which of Node's own modules a program has that uses none.
process.stdout.write(JSON.stringify(process.moduleLoadList.filter((name) => /(net|tls|https?|undici)$/.test(name))));
