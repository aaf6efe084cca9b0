/* The wall by itself: turns its sheets, jumps to what has become critical, lasts for years.
 *
 * The server laid out every sheet; one is seen. Before a sheet is shown the server is told, so that
 * it is drawn from the newest data. What the server has to say to this file stands in #wall-news.
 * The address may run the wall's own clock faster for a rehearsal: ?speed=10.
 */
(function () {
  'use strict';
  var AHEAD = 4;            // seconds before a sheet is shown that it is asked for
  var DRIFT = 180, STEP = 2; // every three minutes, by so many pixels, at most four from home
  var QUIET = 3000;         // milliseconds until the pointer hides
  var SILENT = 90;          // seconds without an answer while the server answers others
  var KNOWN = 'wall-known';
  var speed = 1, at = -1, left = 0, paused = false, home = -1, asked = false, jumped = [], queue = [], codes = false, laid = null;
  var steered = null, told = '', lock = null, moved = 0, answered = Date.now(), dwelt = 0;

  function wall() { return document.getElementById('wall'); }
  function sheets() { return Array.prototype.slice.call(document.querySelectorAll('.wall-sheet')); }
  function given(name) { return wall().dataset[name] || ''; }
  function local() {        // the time of the province, whatever the screen's own zone is
    return new Date().toLocaleTimeString('en-GB', {
      timeZone: 'Asia/Ho_Chi_Minh', hour: '2-digit', minute: '2-digit', hour12: false});
  }
  function put(id, props) {
    if (window.dash_clientside && window.dash_clientside.set_props) {
      window.dash_clientside.set_props(id, props);
    }
  }
  function write(id, text) {
    var place = document.getElementById(id);
    if (place && place.textContent !== text) place.textContent = text;
  }

  // ── turning ──────────────────────────────────────────────────────────────────────────────

  function named(key) {
    return sheets().findIndex(function (sheet) { return sheet.dataset.sheet === key; });
  }
  function ask(number) {    // the server draws this one from now on
    put('wall-at', {data: sheets()[number].dataset.sheet});
  }
  function show(number) {
    var all = sheets();
    if (!all.length) return;
    number = (number + all.length) % all.length;
    if (!asked || asked !== all[number].dataset.sheet) ask(number);
    asked = false;
    all.forEach(function (sheet, one) { sheet.classList.toggle('on', one === number); });
    at = number;
    left = Number(all[number].dataset.dwell) || 20;
    if (document.getElementById('wall-title').textContent) {
      write('wall-title', all[number].dataset.title);
    }
    if (all[number].querySelector('.leaflet-container')) window.dispatchEvent(new Event('resize'));
    tell();
  }
  function tell() {
    var all = sheets(), alone = all.length < 2;
    write('wall-place', 'trang ' + (at + 1) + '/' + all.length);
    write('wall-rest', alone ? '' : paused ? ' · tạm dừng' : ' · còn ' + Math.max(0, Math.ceil(left)) + ' giây');
    wall().classList.toggle('paused', paused);
    wall().classList.toggle('codes', codes);
  }
  function turn(seconds) {
    var all = sheets();
    if (paused || all.length < 2) { tell(); return; }
    left -= seconds;
    var next = queue.length ? named(queue[0]) : (home >= 0 ? home : at + 1) % all.length;
    if (left <= AHEAD * speed && !asked && left > 0) {
      asked = all[next].dataset.sheet;
      ask(next);
    }
    if (left <= 0) {
      if (queue.length) queue.shift(); else home = -1;
      show(next);
    }
    tell();
  }
  function pause(on) {      // what was to come next is not coming: the sheet that stays is asked for again
    paused = on;
    if (paused && asked) { asked = false; ask(at); }
    if (!paused) told = ''; // what became critical meanwhile shows now
    tell();
  }
  function turnTo(number) { // a hand has turned: the round goes on from there
    home = -1;
    queue = [];
    show(number);
  }

  // ── what the server says ─────────────────────────────────────────────────────────────────

  function known() {
    try { return JSON.parse(sessionStorage.getItem(KNOWN)); } catch (refused) { return null; }
  }
  function hear() {
    var place = document.getElementById('wall-news');
    if (!place || place.textContent === told) return;
    told = place.textContent;
    answered = Date.now();
    var news;
    try { news = JSON.parse(told); } catch (broken) { return; }
    var critical = news.critical || {}, before = known(), now = Object.keys(critical);
    var fresh = before ? now.filter(function (name) { return before.indexOf(name) < 0; }) : [];
    if (paused) now = now.filter(function (name) { return fresh.indexOf(name) < 0; }); // later
    try { sessionStorage.setItem(KNOWN, JSON.stringify(now)); } catch (refused) { /* private */ }
    if (!paused) jump(fresh.filter(function (name) { return jumped.indexOf(name) < 0; }), critical);
    if (news.steer) steer(news.steer);
    if (laid === null) laid = news.laid;
    else if (laid !== news.laid) { laid = news.laid; renew(); }
  }
  function jump(fresh, pages) {  // to each page once; then the round goes on where it was
    var here = sheets()[at].dataset.sheet;
    fresh.forEach(function (name) {
      jumped.push(name);
      var key = pages[name];
      if (key !== here && queue.indexOf(key) < 0 && named(key) >= 0) queue.push(key);
    });
    if (!fresh.length || !queue.length) return;
    if (home < 0) home = at;
    show(named(queue.shift()));
  }
  function steer(said) {      // what somebody at /operator wants of this wall
    var before = steered;
    steered = said;
    if (before ? said.number === before.number : !said.number) return;
    var same = before && ['sheet', 'paused', 'codes', 'held'].every(function (name) {
      return said[name] === before[name];
    });
    if (!before || said.codes !== before.codes) codes = !!said.codes;
    if (before ? said.paused !== before.paused : said.paused) pause(!!said.paused);
    // a word names a page when its page is another one, or when it says nothing else; a page that
    // was named before this wall was there is old: the round has gone on since, unless it is paused
    var meant = before ? same || said.sheet !== before.sheet : said.paused;
    if (meant && named(said.sheet) >= 0) turnTo(named(said.sheet));
    tell();
  }

  // ── hands ────────────────────────────────────────────────────────────────────────────────

  document.addEventListener('keydown', function (event) {
    if (!wall() || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === ' ') { pause(!paused); event.preventDefault(); }
    if (event.key === 'q' || event.key === 'Q') { codes = !codes; tell(); }
    if (event.key === 'ArrowRight' || event.key === 'PageDown') { turnTo(at + 1); event.preventDefault(); }
    if (event.key === 'ArrowLeft' || event.key === 'PageUp') { turnTo(at - 1); event.preventDefault(); }
  });
  document.addEventListener('mousemove', function () {
    moved = Date.now();
    if (wall()) wall().classList.remove('still');
  });

  // ── years ────────────────────────────────────────────────────────────────────────────────

  function drift() {          // nothing burns in: a step aside every few minutes
    if (window.innerWidth < 700) { wall().style.transform = ''; return; }
    var turn = Math.floor(Date.now() * speed / (DRIFT * 1000));
    var x = [0, STEP, 2 * STEP, STEP, 0, -STEP, -2 * STEP, -STEP][turn % 8];
    var y = [0, STEP, 0, -STEP][(turn >> 1) % 4];
    wall().style.transform = x || y ? 'translate(' + x + 'px,' + y + 'px)' : '';
  }
  function night() {
    var hours = given('night').split('-'), now = local();
    if (hours.length < 2) return;
    var dark = hours[0] <= hours[1] ? now >= hours[0] && now < hours[1] : now >= hours[0] || now < hours[1];
    var shade = dark ? 'brightness(' + (1 - Number(given('dim')) / 100) + ')' : '';
    if (wall().style.filter !== shade) wall().style.filter = shade;
  }
  function renew() {          // only where the server answers: a browser's own error page never leaves
    fetch('/healthz', {cache: 'no-store'}).then(function (reply) {
      if (reply.ok) location.reload();
    }).catch(function () { /* later */ });
  }
  function nightly() {
    var today = new Date().toISOString().slice(0, 10), done = '';
    if (local() !== given('reload')) return;
    try { done = sessionStorage.getItem('wall-renewed') || ''; } catch (refused) { return; }
    if (done === today) return;
    try { sessionStorage.setItem('wall-renewed', today); } catch (refused) { return; }
    setTimeout(renew, 30000 * Math.random());
  }
  function watch() {          // the page asks at least every 20 s: no answer for long, and it is stuck
    if (!document.body.classList.contains('lost') && Date.now() - answered > SILENT * 1000) {
      answered = Date.now();
      renew();
    }
  }
  function awake() {
    if (!navigator.wakeLock || lock || document.visibilityState !== 'visible') return;
    lock = 'asked';
    navigator.wakeLock.request('screen').then(function (held) {
      lock = held;
      held.addEventListener('release', function () { lock = null; });
    }, function () { lock = null; });
  }
  function fit() {            // the server lays out for the shape that this screen has
    var shape = window.innerWidth / window.innerHeight;
    if (window.innerWidth < 700 || !window.innerHeight) return;
    var address = new URL(location.href), mine = Number(given('shape'));
    if (Math.abs(shape / mine - 1) < 0.02 || shape > 8 || shape < 0.3) return;
    if (address.searchParams.get('shape') === shape.toFixed(3)) return;
    address.searchParams.set('shape', shape.toFixed(3));
    location.replace(address.href);
  }
  var answer = window.fetch;
  window.fetch = function () {
    var reply = answer.apply(this, arguments);
    reply.then(function (said) { if (said.ok) answered = Date.now(); }, function () {});
    return reply;
  };

  function begin() {
    var address = new URL(location.href);
    speed = Math.min(Math.max(Number(address.searchParams.get('speed')) || 1, 1), 60);
    paused = given('pinned') === '1';
    at = sheets().findIndex(function (sheet) { return sheet.classList.contains('on'); });
    left = Number(sheets()[at].dataset.dwell) || 20;
    told = '';
    laid = steered = null;
    asked = false;
    home = -1;
    queue = [];
    answered = dwelt = Date.now();
    fit();
    tell();
  }
  setInterval(function () {
    var here = wall();
    document.documentElement.classList.toggle('has-wall', !!here);
    if (!here) { at = -1; return; }
    if (at < 0) begin();
    var now = Date.now();
    turn((now - dwelt) / 1000 * speed);
    dwelt = now;
    hear();
    drift();
    night();
    nightly();
    watch();
    awake();
    if (moved && now - moved > QUIET) here.classList.add('still');
    if (!moved) moved = now;
  }, 250);
  window.addEventListener('resize', function () { if (wall() && at >= 0) fit(); });
})();
