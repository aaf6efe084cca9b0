/* The map's style functions: dash-leaflet finds them by name, since our policy forbids eval.
 *
 * Colours are classes: map.css paints them from the theme, so that a theme changes without a word
 * from the server. Texts go in as text nodes, never as html.
 */
window.ioc = window.ioc || {};
(function () {
  'use strict';
  var SVG = 'http://www.w3.org/2000/svg';

  function element(name, kind, text) {
    var made = document.createElement(name);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function lines(texts, kind) {
    var box = element('div', kind);
    texts.filter(Boolean).forEach(function (text, at) {
      box.appendChild(element(at ? 'span' : 'b', '', text));
    });
    return box;
  }
  function hatch() {                 // one pattern for all that has no data
    if (document.getElementById('map-hatch')) return;
    var svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('class', 'map-defs');
    svg.setAttribute('aria-hidden', 'true');
    var pattern = document.createElementNS(SVG, 'pattern');
    pattern.id = 'map-hatch';
    [['width', 8], ['height', 8], ['patternUnits', 'userSpaceOnUse'],
     ['patternTransform', 'rotate(45)']].forEach(function (pair) {
      pattern.setAttribute(pair[0], pair[1]);
    });
    ['M0 0H8V8H0Z', 'M0 0V8'].forEach(function (d) {
      var path = document.createElementNS(SVG, 'path');
      path.setAttribute('d', d);
      pattern.appendChild(path);
    });
    svg.appendChild(pattern);
    document.body.appendChild(svg);
  }
  function titles(map) {             // Leaflet's own words are English
    map.getContainer().querySelectorAll('.leaflet-control-zoom a').forEach(function (button) {
      var word = button.classList.contains('leaflet-control-zoom-in') ? 'Phóng to' : 'Thu nhỏ';
      button.title = word;
      button.setAttribute('aria-label', word);
    });
  }
  function told(context, id) {
    return (context.hideout && context.hideout.units && context.hideout.units[id]) || ['out'];
  }
  function style(context, id, kind) {
    var grade = told(context, id)[0];
    return {className: 'unit ' + kind + ' k-' + grade, weight: 1.5, fillOpacity: 1,
            fillColor: grade === 'none' ? 'url(#map-hatch)' : undefined};
  }
  function scale() {                 // circles grow with the screen, and once more on a wall
    var screen = Math.max(1, window.innerHeight / 1080);
    return document.querySelector('.wall') ? 1.5 * screen : screen;
  }
  function age(since) {
    var hours = (Date.now() - Date.parse(since)) / 3600e3;
    return hours < 48 ? Math.max(1, Math.round(hours)) + ' giờ' : Math.floor(hours / 24) + ' ngày';
  }
  function popup(feature) {
    var p = feature.properties;
    var ago = p.since ? ' (' + age(p.since) + ' trước)' : '';  // none on a page of the past
    var box = lines([p.title, p.unit, p.opened + ago, p.due], 'map-case');
    var link = element('a', '', 'Xem hồ sơ');
    link.href = p.href;
    box.appendChild(link);
    return box;
  }

  window.ioc.map = {
    area: function (feature, context) { return style(context, feature.id, 'area'); },
    outline: function () { return {className: 'outline', weight: 1.25, fill: true, fillOpacity: 1}; },
    circle: function (feature, at, context) {
      var look = style(context, feature.id, 'circle');
      look.radius = feature.properties.radius * scale();
      return window.L.circleMarker(at, look);
    },
    unit: function (feature, layer, context) {
      hatch();
      titles(context.map);
      var words = told(context, feature.id).slice(1);
      layer.bindTooltip(lines(words.length ? words : [feature.properties.name], 'map-tip'),
                        {sticky: true, direction: 'top', className: 'map-tooltip'});
      layer.on('click', function () {  // the list beside the map has the same org units as links
        var to = '.map-list a[href="/org-unit/' + feature.id;
        var link = document.querySelector(to + '"], ' + to.replace('href=', 'href^=') + '?"]');
        if (link) link.click();
      });
    },
    pin: function (feature, at) {
      var p = feature.properties;
      var face = element('span', 'shape shape-' + p.shape);
      return window.L.marker(at, {title: p.title, alt: p.title, icon: window.L.divIcon({
        className: 'map-pin pin-' + p.look, html: face, iconSize: [26, 26]})});
    },
    cluster: function (feature, at) {
      var count = feature.properties.point_count;
      var size = count < 10 ? 30 : count < 100 ? 36 : 44;
      var words = count + ' vụ việc, bấm để phóng to';
      return window.L.marker(at, {title: words, alt: words, icon: window.L.divIcon({
        className: 'map-cluster', html: element('span', '', String(count)), iconSize: [size, size],
        iconAnchor: [-3, size + 3]})});  // beside its place: circles lie below it
    },
    case: function (feature, layer) {
      if (feature.properties.cluster) return;
      layer.bindPopup(function () { return popup(feature); }, {className: 'map-popup'});
      layer.on('popupopen', function (event) {  // another English word of Leaflet's
        var close = event.popup.getElement().querySelector('.leaflet-popup-close-button');
        if (close) close.setAttribute('aria-label', 'Đóng');
      });
    }
  };
})();
