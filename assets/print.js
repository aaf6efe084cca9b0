/* Paper unfolds nothing and has its own width: before printing everything opens, charts are drawn
 * for the page, the instant is written down; afterwards all is as it was.
 */
(function () {
  'use strict';
  var media = window.matchMedia('print');
  var opened = [];
  var printing = false;
  var instant = new Intl.DateTimeFormat('en-GB', {
    timeZone: 'Asia/Ho_Chi_Minh', hour12: false, hour: '2-digit', minute: '2-digit',
    day: '2-digit', month: '2-digit', year: 'numeric'});

  function written() {
    var part = {};
    instant.formatToParts(new Date()).forEach(function (one) { part[one.type] = one.value; });
    return part.hour + ':' + part.minute + ' ' + part.day + '/' + part.month + '/' + part.year;
  }
  /* a drawing keeps its own width and is shown as wide as the page */
  function charts(shape) {
    document.querySelectorAll('.js-plotly-plot .svg-container').forEach(function (chart) {
      var whole = chart.querySelector('.main-svg');
      var box = '0 0 ' + whole.getAttribute('width') + ' ' + whole.getAttribute('height');
      chart.style.setProperty('--shape',
        whole.getAttribute('width') + ' / ' + whole.getAttribute('height'));
      chart.querySelectorAll('.main-svg').forEach(function (drawing) {
        if (shape) drawing.setAttribute('viewBox', box); else drawing.removeAttribute('viewBox');
      });
    });
  }
  function begin() {
    if (printing) return;
    printing = true;
    opened = Array.prototype.filter.call(document.querySelectorAll('details'), function (one) {
      return !one.open;
    });
    opened.forEach(function (one) { one.open = true; });
    document.querySelectorAll('.print-now').forEach(function (place) {
      place.textContent = written();
    });
    charts(true);
  }
  function end() {
    if (!printing) return;
    printing = false;
    opened.forEach(function (one) { one.open = false; });
    charts(false);
  }
  media.addEventListener('change', function (event) { if (event.matches) begin(); else end(); });
  window.addEventListener('beforeprint', begin);
  window.addEventListener('afterprint', end);
})();
