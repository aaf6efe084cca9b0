/* Moves every clock of the page, on Vietnamese time whatever the screen's own zone is. */
(function () {
  'use strict';
  var zone = {timeZone: 'Asia/Ho_Chi_Minh', hour12: false};
  var hour = new Intl.DateTimeFormat('en-GB', Object.assign(
    {hour: '2-digit', minute: '2-digit', second: '2-digit'}, zone));
  var day = new Intl.DateTimeFormat('en-GB', Object.assign(
    {day: '2-digit', month: '2-digit', year: 'numeric'}, zone));
  function write(name, text) {
    document.querySelectorAll(name).forEach(function (place) {
      if (place.textContent !== text) place.textContent = text;
    });
  }
  setInterval(function () {
    var now = new Date();
    write('.clock-time', hour.format(now));
    write('.clock-date', day.format(now));
  }, 500);
})();
