# Where Utilities/setup.sh --python left the ITK build tree that the wrapping
# needs and the oneDNN that runs on ITK's threads.
if(NOT ITK_DIR AND NOT DEFINED ENV{ITK_DIR})
  file(GLOB universeg_itk_trees "${universeg_cache}/itk-5.4.*/build/ITKConfig.cmake")
  list(SORT universeg_itk_trees COMPARE NATURAL ORDER DESCENDING)
  if(NOT universeg_itk_trees)
    message(
      FATAL_ERROR
        "The wrapping needs an ITK 5.4 build tree, and ${universeg_cache} has none: run Utilities/setup.sh --python, or set ITK_DIR"
    )
  endif()
  list(GET universeg_itk_trees 0 universeg_itk_tree)
  get_filename_component(ITK_DIR "${universeg_itk_tree}" DIRECTORY)
  set(ITK_DIR "${ITK_DIR}" CACHE PATH "ITK build tree")
endif()
if(UNIVERSEG_ONEDNN AND NOT dnnl_DIR)
  if(NOT IS_DIRECTORY "${universeg_cache}/onednn/install/lib/cmake/dnnl")
    message(
      FATAL_ERROR
        "The wrapping needs a oneDNN without OpenMP, and ${universeg_cache} has none: run Utilities/setup.sh --python, or set dnnl_DIR"
    )
  endif()
  set(dnnl_DIR "${universeg_cache}/onednn/install/lib/cmake/dnnl" CACHE PATH "oneDNN for the wrapping")
endif()
