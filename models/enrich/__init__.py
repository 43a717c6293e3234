"""What an analyst joins on: words of an article to actors, places, dates and who says so."""
