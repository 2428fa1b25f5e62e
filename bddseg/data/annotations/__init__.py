"""Files of annotation tools and other data sets' toolkits, made of label maps."""
