/* Teaches plotly.js Vietnamese as soon as it arrives; it ships no such locale. */
(function () {
  'use strict';
  var months = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
  var locale = {
    moduleType: 'locale',
    name: 'vi',
    dictionary: {
      'Autoscale': 'Tự chọn khung',
      'Box Select': 'Chọn theo khung',
      'Click to enter X axis title': 'Tên trục ngang',
      'Click to enter Y axis title': 'Tên trục đứng',
      'Click to enter Plot title': 'Tên biểu đồ',
      'Double-click on legend to isolate one trace': 'Bấm đúp để chỉ xem một đường',
      'Double-click to zoom back out': 'Bấm đúp để trở về toàn cảnh',
      'Download plot': 'Tải ảnh biểu đồ',
      'Download plot as a PNG': 'Tải ảnh biểu đồ (PNG)',
      'Lasso Select': 'Chọn tự do',
      'Pan': 'Kéo',
      'Reset': 'Đặt lại',
      'Reset axes': 'Về khung ban đầu',
      'Snapshot succeeded': 'Đã lưu ảnh',
      'Sorry, there was a problem downloading your snapshot!': 'Không lưu được ảnh.',
      'Taking snapshot - this may take a few seconds': 'Đang lưu ảnh, xin chờ vài giây',
      'Toggle show closest data on hover': 'Hiện số gần nhất',
      'Toggle Spike Lines': 'Bật, tắt đường dóng',
      'Compare data on hover': 'So các số cùng kỳ',
      'Show closest data on hover': 'Hiện số gần nhất',
      'Zoom': 'Phóng',
      'Zoom in': 'Phóng to',
      'Zoom out': 'Thu nhỏ'
    },
    format: {
      days: ['Chủ nhật', 'Thứ hai', 'Thứ ba', 'Thứ tư', 'Thứ năm', 'Thứ sáu', 'Thứ bảy'],
      shortDays: ['CN', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7'],
      months: months.map(function (m) { return 'tháng ' + m; }),
      shortMonths: months.map(function (m) { return 'th.' + m; }),
      date: '%d/%m/%Y',
      decimal: ',',
      thousands: '.',
      year: '%Y',
      month: '%m/%Y',
      dayMonth: '%d/%m',
      dayMonthYear: '%d/%m/%Y'
    }
  };
  function teach(plotly) { if (plotly && plotly.register) plotly.register(locale); }
  if (window.Plotly) { teach(window.Plotly); return; }
  var held;
  Object.defineProperty(window, 'Plotly', {
    configurable: true,
    get: function () { return held; },
    set: function (plotly) { held = plotly; teach(plotly); }
  });
})();
