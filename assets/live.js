/* Live screens: one event stream per browser, shared by its tabs.
 *
 * This file is two programs. In a shared worker it holds the stream; in a page it puts what the
 * stream says into the store "live", and says so when the server is gone. A browser without
 * shared workers runs both halves in the page.
 *
 * Where the server says 401 the page is emptied and loaded anew, once: what comes then is the form
 * of signing in, or for a wall the card of pairing. Neither has this file, so nothing goes round.
 */
(function () {
  'use strict';
  var SILENCE = 20000;   // two beats of the server without a word: contact is lost
  var GRACE = 5000;      // a restart is quicker than this; a band that blinks teaches nothing
  var SETTLE = 1000;     // a backfill commits several times a second; a screen asks once
  var TICK = 20000;      // ages move on a quiet day too
  var PATIENCE = 60000;  // an answer that takes longer is no longer waited for

  function hold(tell) {
    var stream = null, heard = 0, hello = null, last = null, tries = 0, timer = null, out = false;
    var contact = Date.now();

    function news(kind, text) {
      heard = contact = Date.now();
      tries = 0;
      var data = JSON.parse(text);
      if (kind === 'version') last = data;
      if (kind === 'hello') hello = data;
      tell({kind: kind, data: data, at: contact});
    }
    function later() {
      if (stream) stream.close();
      stream = null;
      clearTimeout(timer);
      tries += 1;
      tell({kind: 'lost', at: contact});
      // jitter: a thousand screens must not come back in the same second
      timer = setTimeout(open, Math.min(15000, 500 * Math.pow(2, tries)) * (0.5 + Math.random()));
    }
    function open() {
      heard = Date.now();
      stream = new EventSource('/events');
      ['hello', 'version', 'beat'].forEach(function (kind) {
        stream.addEventListener(kind, function (event) { news(kind, event.data); });
      });
      stream.addEventListener('refused', refused);
      // a stream that was refused is closed; one that broke is being opened again
      stream.onerror = function () { if (tries > 1 || this.readyState === 2) ask(); later(); };
    }
    function refused() {   // until somebody has signed in and opened a page
      if (stream) stream.close();
      stream = null;
      out = true;
      clearTimeout(timer);
      tell({kind: 'refused', at: contact});
    }
    function ask() {       // the fallback while no stream can be had: one answer, no stream
      fetch('/events', {headers: {Accept: 'application/json'}}).then(function (reply) {
        if (reply.status === 401) refused();
        return reply.ok ? reply.text() : Promise.reject();
      }).then(function (text) {
        contact = Date.now();
        hello = last = JSON.parse(text);
        tell({kind: 'hello', data: last, at: contact});
        tell({kind: 'version', data: last, at: contact});
      }).catch(function () {});
    }
    setInterval(function () {
      if (stream && Date.now() - heard > SILENCE) later();
    }, 1000);
    open();
    // a page that opens later missed the greeting: without it, it would never know its build
    return {again: function () {
              if (out) { out = false; open(); }
              if (hello && stream) tell({kind: 'hello', data: hello, at: contact});
              if (last && stream) tell({kind: 'version', data: last, at: contact});
            },
            hurry: function () { if (!stream) { clearTimeout(timer); open(); } }};
  }

  if (typeof document === 'undefined') {
    var ports = [];
    var holder = hold(function (message) {
      ports.forEach(function (port) { port.postMessage(message); });
    });
    self.onconnect = function (event) {
      var port = event.ports[0];
      ports.push(port);
      port.onmessage = function (message) {
        if (message.data === 'bye') ports = ports.filter(function (other) { return other !== port; });
        if (message.data === 'hurry') holder.hurry();
      };
      holder.again();
    };
    return;
  }

  var state = null, sent = 0, waiting = null, build = null;
  var contact = Date.now(), lost = false, troubled = 0, returns = 0, gone = false;

  function clock(instant) {
    return new Date(instant).toLocaleTimeString('vi-VN', {
      timeZone: 'Asia/Ho_Chi_Minh', hour: '2-digit', minute: '2-digit', hour12: false});
  }

  function ready() {     // before the layout stands, what is set is lost
    return window.dash_clientside && window.dash_clientside.set_props &&
           document.getElementById('lost-band');
  }
  // A screen asks again only once all that it asked last time has been answered: questions never
  // pile up behind a slow answer, and what is asked then is about the newest data.
  var open = [], send = window.fetch;
  window.fetch = function (resource, options) {
    var reply = send.apply(this, arguments);
    reply.then(function (said) { if (said.status === 401) leave(); }, function () {});
    if (options && typeof options.body === 'string' && options.body.indexOf('"live.data"') > 0) {
      var begun = {at: Date.now()};
      var end = function () { open = open.filter(function (one) { return one !== begun; }); };
      open.push(begun);
      reply.then(end, end);
    }
    return reply;
  };
  function past() {      // what was known at an instant stays as it is: the page does not ask again
    return /[?&]as_of=[^&]/.test(location.search);
  }
  function busy() {
    return open.some(function (one) { return Date.now() - one.at < PATIENCE; });
  }
  function put() {
    clearTimeout(waiting);
    if (!state || lost || gone || past()) return;
    if (!ready() || busy()) { waiting = setTimeout(put, 100); return; }
    var rest = sent + SETTLE - Date.now();
    if (rest > 0) { waiting = setTimeout(put, rest); return; }
    sent = Date.now();
    window.dash_clientside.set_props('live', {data: {
      version: state.version, topics: state.topics, asked: sent, returns: returns}});
  }
  function band() {
    var now = Date.now();
    var gone = now - contact > SILENCE || (troubled && now - troubled > GRACE);
    if (gone && !lost) {
      lost = true;
      returns += 1;
    }
    var since = document.getElementById('lost-since');
    if (lost && since) since.textContent = clock(contact);
    if (document.body) document.body.classList.toggle('lost', lost);
  }
  function back() {
    troubled = 0;
    if (!lost) return;
    lost = false;
    sent = 0;
    document.body.classList.remove('lost');
    put();
  }
  function leave() {     // whoever this page was for is not there any more: nothing of it stays
    if (gone) return;
    gone = true;
    document.body.replaceChildren();
    document.title = '';
    (function renew() {  // only where the server answers: a browser's own error page never leaves
      send('/healthz', {cache: 'no-store'}).then(function () { location.reload(); },
                                                 function () { setTimeout(renew, 5000); });
    })();
  }
  function told(data) { return (data.topics || {}).wall; }
  function hear(message) {
    if (message.kind === 'refused') { leave(); return; }
    if (message.kind === 'lost') {
      troubled = troubled || Date.now();
      return;
    }
    contact = Math.max(contact, message.at);
    if (message.kind === 'hello') {
      if (build && message.data.build && message.data.build !== build) {
        setTimeout(function () { location.reload(); }, 500 + 4500 * Math.random());
      }
      build = message.data.build || build;
      if (build) document.documentElement.dataset.build = build;
    }
    if (message.kind === 'version') {
      var same = state && state.version === message.data.version;
      if (state && told(message.data) !== told(state)) sent = 0;  // a word to the walls does not wait
      state = message.data;
      back();
      if (!same || !sent) put();
    } else {
      back();
    }
  }

  var script = document.currentScript && document.currentScript.src;
  var port = null, own = null;
  function start() {
    try {
      var worker = new SharedWorker(script, {name: 'ioc-live'});
      port = worker.port;
      port.onmessage = function (event) { hear(event.data); };
      worker.onerror = function () { if (!own) own = hold(hear); };
    } catch (error) {
      own = hold(hear);
    }
  }
  start();
  setInterval(function () {
    band();
    if (sent && Date.now() - sent > TICK) put();
    if (lost && state && Date.now() - contact < SILENCE && !troubled) back();
  }, 1000);
  window.addEventListener('online', function () { if (port) port.postMessage('hurry'); });
  window.addEventListener('pagehide', function () { if (port) port.postMessage('bye'); });
  window.addEventListener('pageshow', function (event) { if (event.persisted) location.reload(); });
})();
