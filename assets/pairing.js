/* A screen that is not paired: shows its code, asks every few seconds, goes to its wall once.
 *
 * The server keeps no code, only its hash: this page asks for one, shows it while it is good, and
 * asks for another when it has run out. Nothing here reloads; only a paired screen leaves the page.
 */
(function () {
  'use strict';
  var EVERY = 3000, until = 0, asking = false, gone = false;

  function write(id, text) { document.getElementById(id).textContent = text; }
  function clock(instant) {
    return new Date(instant).toLocaleTimeString('vi-VN', {
      timeZone: 'Asia/Ho_Chi_Minh', hour: '2-digit', minute: '2-digit', hour12: false});
  }
  function answered(reply) { return reply.ok ? reply.json() : Promise.reject(reply); }
  function trouble(reply) {
    var wait = reply && reply.headers && Number(reply.headers.get('Retry-After'));
    write('pairing-say', wait ? 'Xin mã quá nhiều lần; tự thử lại sau ít phút.'
                              : 'Chưa liên hệ được máy chủ; màn hình tự thử lại.');
    return wait ? wait * 1000 : 15000;
  }
  function ask() {
    asking = true;
    fetch('/screen/code', {method: 'POST'}).then(answered).then(function (said) {
      until = Date.now() + said.seconds * 1000;
      write('pairing-code', said.code.slice(0, 4) + '\u2009' + said.code.slice(4));
      write('pairing-say', 'Chờ ghép nối. Mã dùng được đến ' + clock(until) + '.');
      asking = false;
    }).catch(function (reply) {
      setTimeout(function () { asking = false; }, trouble(reply));
    });
  }
  function look() {
    fetch('/screen/state', {cache: 'no-store'}).then(answered).then(function (said) {
      if (said.wall && !gone) {
        gone = true;
        location.replace(said.wall);
      } else if (!gone && !asking && Date.now() > until) {
        write('pairing-code', '····\u2009····');
        ask();
      }
    }).catch(function (reply) { trouble(reply); });
  }
  document.addEventListener('DOMContentLoaded', function () {
    look();
    setInterval(function () { if (!gone) look(); }, EVERY);
  });
})();
