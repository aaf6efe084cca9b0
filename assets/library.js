/* The library of the map is served with the map alone: a link to it from elsewhere loads it anew. */
(function () {
  'use strict';
  function need() {
    if (location.pathname === '/map' && !window.dash_leaflet) location.reload();
  }
  ['popstate', '_dashprivate_pushstate'].forEach(function (event) {
    window.addEventListener(event, need);
  });
})();
