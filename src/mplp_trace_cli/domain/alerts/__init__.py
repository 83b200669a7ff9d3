"""What an alert is and goes through: values, conditions, steps from check to check, what is said."""
