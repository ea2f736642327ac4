-- Differences that adjusting journals hold are few among the transactions behind revised journals.
CREATE INDEX revised_booking_adjustments ON revised_booking (transaction_id) WHERE leg = 'adjustment';
